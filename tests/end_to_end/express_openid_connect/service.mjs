// A service made of express-openid-connect alone: `/` says who is logged in. Every check of a logout token is the library's own.
import express from 'express'
import openid from 'express-openid-connect'

const [issuer, clientId, clientSecret, port] = process.argv.slice(2)
const ended = new Map()
const store = {
  get: (key, done) => done(null, ended.get(key)),
  set: (key, value, done) => done(null, ended.set(key, value)),
  destroy: (key, done) => done(null, ended.delete(key)),
}
const app = express()
app.use(
  openid.auth({
    issuerBaseURL: issuer,
    baseURL: `http://127.0.0.1:${port}`,
    clientID: clientId,
    clientSecret,
    clientAuthMethod: 'client_secret_basic',
    secret: 'a-long-secret-of-the-session-cookies',
    authRequired: false,
    idTokenSigningAlg: 'ES256',
    authorizationParams: { response_type: 'code', scope: 'openid' },
    backchannelLogout: { store },
  }),
)
app.get('/', (request, response) => response.json({ sub: request.oidc.user?.sub ?? null }))
app.listen(Number(port), '127.0.0.1', () => console.log(JSON.stringify({ ready: true })))
