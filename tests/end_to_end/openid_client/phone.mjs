// A service made of openid-client alone that asks a person on the phone (CIBA), proves itself by a key, and gets tokens bound to another
// (RFC 9449); an interface exchanges them (RFC 8693). Speaks JSON lines: says {jwks}, is told {registered}; says {asked}, polls by itself,
// is told {secret}; says what it got.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, clientId, nationalId, scope, exchanger] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)
const refused = async (attempt) => {
  try {
    await attempt()
    return null
  } catch (error) {
    return error.error ?? error.code
  }
}

const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey)
const signer = { key: keys.privateKey, kid: 'rp-1' }
say({ jwks: { keys: [{ kty, crv, x, y, kid: signer.kid, alg: 'ES256', use: 'sig' }] } })
await hear()

const insecure = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL(issuer), clientId, {}, client.PrivateKeyJwt(signer), insecure)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const asked = await client.initiateBackchannelAuthentication(config, { scope, login_hint: nationalId, binding_message: 'Salle 3' })
say({ asked: Boolean(asked.auth_req_id) })
const tokens = await client.pollBackchannelAuthenticationGrant(config, asked, undefined, { DPoP })
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })

const { secret } = await hear()
const other = await client.discovery(new URL(issuer), exchanger, {}, client.ClientSecretBasic(secret), insecure)
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const subject = { subject_token: tokens.access_token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
const exchanged = await client.genericGrantRequest(other, grant, { ...subject, scope: 'drugs:read' })
say({
  claims,
  userinfo,
  type: tokens.token_type,
  exchanged: { type: exchanged.token_type, issued: exchanged.issued_token_type, scope: exchanged.scope },
  seen: await client.tokenIntrospection(other, exchanged.access_token),
  asked_again: await refused(() => client.pollBackchannelAuthenticationGrant(config, asked, undefined, { DPoP })),
  worthless: await refused(() => client.genericGrantRequest(other, grant, { ...subject, subject_token: 'x', scope: 'drugs:read' })),
})
process.exit(0)
