// A device without browser made of openid-client alone (RFC 8628). Speaks JSON lines: says {page}, where its person has to go,
// polls meanwhile by itself, and says what it got.
import * as client from 'openid-client'

const [issuer, clientId, scope] = process.argv.slice(2)
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

const config = await client.discovery(new URL(issuer), clientId, {}, client.None(), { execute: [client.allowInsecureRequests] })
const asked = await client.initiateDeviceAuthorization(config, { scope })
say({ page: asked.verification_uri_complete, code: asked.user_code })
const tokens = await client.pollDeviceAuthorizationGrant(config, asked)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
say({ claims, userinfo, refreshed: Boolean(refreshed.access_token) })
process.exit(0)
