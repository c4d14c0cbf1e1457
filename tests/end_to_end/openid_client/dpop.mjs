// A relying party made of openid-client alone whose tokens are bound to its key (RFC 9449). Speaks JSON lines: says
// {authorize}, is told {callback}, says what it got. Proofs, server nonces and retries are the library's own.
import * as client from 'openid-client'
import readline from 'node:readline'

const [issuer, clientId, redirectUri, scope] = process.argv.slice(2)
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const config = await client.discovery(new URL(issuer), clientId, {}, client.None(), { execute: [client.allowInsecureRequests] })
const keys = await client.randomDPoPKeyPair('ES256')
const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const DPoP = client.getDPoPHandle(config, keys)
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
say({
  authorize: client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    dpop_jkt: await DPoP.calculateThumbprint(),
  }).href,
})
const { callback } = await hear()
const tokens = await client.authorizationCodeGrant(
  config,
  new URL(callback),
  { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true },
  undefined,
  { DPoP },
)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
const refused = async (attempt) => {
  try {
    await attempt()
    return null
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? error.code
  }
}
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const endpoint = new URL(config.serverMetadata().userinfo_endpoint)
const bearer = await fetch(endpoint, { headers: { authorization: `Bearer ${refreshed.access_token}` } })
say({
  algorithms: config.serverMetadata().dpop_signing_alg_values_supported,
  type: tokens.token_type,
  cnf: JSON.parse(Buffer.from(refreshed.access_token.split('.')[1], 'base64url')).cnf,
  jkt: await DPoP.calculateThumbprint(),
  sub: claims.sub,
  userinfo: userinfo.sub,
  bearer: bearer.status,
  stolen: await refused(() => client.fetchUserInfo(config, refreshed.access_token, claims.sub, { DPoP: thief })),
  thief: await refused(() => client.refreshTokenGrant(config, refreshed.refresh_token, undefined, { DPoP: thief })),
  again: await refused(() => client.refreshTokenGrant(config, refreshed.refresh_token, undefined, { DPoP })),
})
process.exit(0)
