// A relying party made of openid-client alone that signs its request (RFC 9101), pushes it (RFC 9126) and takes a signed
// answer (JARM); its tokens are bound to a key (RFC 9449). All of it in PS256. Speaks JSON lines: says {jwks}, is told {registered}; says {authorize}, is told {callback}; says what it got.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, clientId, redirectUri, scope, resource] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const pss = { name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
const keys = await crypto.subtle.generateKey(pss, true, ['sign', 'verify'])
const { kty, n, e } = await crypto.subtle.exportKey('jwk', keys.publicKey)
const signer = { key: keys.privateKey, kid: 'rp-1' }
say({ jwks: { keys: [{ kty, n, e, kid: signer.kid, alg: 'PS256', use: 'sig' }] } })
await hear()

const metadata = { id_token_signed_response_alg: 'PS256', authorization_signed_response_alg: 'PS256' }
const config = await client.discovery(new URL(issuer), clientId, metadata, client.PrivateKeyJwt(signer), {
  execute: [client.allowInsecureRequests, client.useJwtResponseMode, client.enableNonRepudiationChecks],
})
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const { searchParams } = await client.buildAuthorizationUrlWithJAR(
  config,
  {
    redirect_uri: redirectUri,
    scope,
    state,
    nonce,
    resource,
    claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['eidas2'] }, family_name: null } }),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  },
  signer,
)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('PS256'))
const pushed = await client.buildAuthorizationUrlWithPAR(config, searchParams, { DPoP })
say({ authorize: pushed.href })
const { callback } = await hear()
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks, undefined, { DPoP })
let replayed = null
try {
  await client.buildAuthorizationUrlWithPAR(config, searchParams)
} catch (error) {
  replayed = error.error
}
say({ claims: tokens.claims(), access_token: tokens.access_token, token_type: tokens.token_type, replayed })
process.exit(0)
