// A relying party made of openid-client alone. Speaks JSON lines: asks for the person's browser to be sent
// to {authorize}, is told {callback}, and says what it got. Every check is the library's own.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, clientId, clientSecret, redirectUri, scope] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const config = await client.discovery(new URL(issuer), clientId, clientSecret, client.ClientSecretBasic(clientSecret), {
  execute: [client.allowInsecureRequests],
})
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
say({
  authorize: client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).href,
})
const { callback } = await hear()
const tokens = await client.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
const active = await client.tokenIntrospection(config, refreshed.access_token)
await client.tokenRevocation(config, refreshed.refresh_token)
const after = await client.tokenIntrospection(config, refreshed.access_token)
let refused = null
try {
  await client.refreshTokenGrant(config, refreshed.refresh_token)
} catch (error) {
  refused = error.error
}
say({
  claims,
  userinfo,
  active: active.active,
  after: after.active,
  refused,
  logout: client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href,
})
process.exit(0)
