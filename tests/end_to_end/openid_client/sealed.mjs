// A relying party made of openid-client alone that decrypts its ID token and its userinfo (RFC 7516), and verifies what is inside.
// Speaks JSON lines: says {jwks}, is told {registered}; says {authorize}, is told {callback}; says what it got.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, clientId, clientSecret, redirectUri, scope] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const agreement = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])
const transport = await crypto.subtle.generateKey(
  { name: 'RSA-OAEP', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  true,
  ['encrypt', 'decrypt'],
)
const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', agreement.publicKey)
const rsa = await crypto.subtle.exportKey('jwk', transport.publicKey)
say({
  jwks: {
    keys: [
      { kty, crv, x, y, kid: 'ec', use: 'enc', alg: 'ECDH-ES+A256KW' },
      { kty: rsa.kty, n: rsa.n, e: rsa.e, kid: 'rsa', use: 'enc', alg: 'RSA-OAEP-256' },
    ],
  },
})
const { secret } = await hear()

const metadata = { id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' }
const config = await client.discovery(new URL(issuer), clientId, metadata, client.ClientSecretBasic(secret ?? clientSecret), {
  execute: [client.allowInsecureRequests],
})
client.enableDecryptingResponses(
  config,
  ['A256GCM', 'A128CBC-HS256'],
  { key: agreement.privateKey, kid: 'ec', alg: 'ECDH-ES+A256KW' },
  { key: transport.privateKey, kid: 'rsa', alg: 'RSA-OAEP-256' },
)
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
say({ claims, userinfo, parts: tokens.id_token.split('.').length })
process.exit(0)
