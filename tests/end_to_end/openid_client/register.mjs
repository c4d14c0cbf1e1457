// A relying party made of openid-client alone that registers itself (RFC 7591) and logs somebody in.
// Speaks JSON lines: says {authorize}, is told {callback}; says what it got.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, initialAccessToken, redirectUri, scope] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const metadata = { client_name: 'Service neuf', redirect_uris: [redirectUri], scope, token_endpoint_auth_method: 'client_secret_post' }
const options = { execute: [client.allowInsecureRequests], initialAccessToken }
const config = await client.dynamicClientRegistration(new URL(issuer), metadata, undefined, options)
const registered = config.clientMetadata()
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
say({
  authorize: client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).href,
})
const { callback } = await hear()
const tokens = await client.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier: verifier,
  expectedState: state,
  idTokenExpected: true,
})
let again = null
try {
  await client.dynamicClientRegistration(new URL(issuer), metadata, undefined, options)
} catch (error) {
  again = error.status ?? error.cause?.status ?? error.message
}
say({ registered, claims: tokens.claims(), again })
process.exit(0)
