// The peer of the provider's rows: oidc-provider on its own store in memory, without an audit log.
// Reads one JSON document from standard input ({package, port, clients, jwks}) and writes one when it listens ({accessToken}).

import { text } from "node:stream/consumers";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { package: folder, port, clients, jwks } = JSON.parse(await text(process.stdin));
const { Provider } = await import(pathToFileURL(join(folder, "lib/index.js")));

const SCOPE = "sessions:read";
const ACCOUNT = "899700000000";
// A resource for each algorithm: here it is the resource, not the client, that decides how an access token is signed.
const tokenOf = (resource) => ({
  scope: SCOPE,
  accessTokenFormat: "jwt",
  accessTokenTTL: 120,
  jwt: { sign: { alg: resource.split(":").at(-1) } },
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  jwks,
  scopes: ["openid", "profile", SCOPE],
  claims: { openid: ["sub"], profile: ["name", "given_name", "family_name", "preferred_username"] },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: "Claire Mesure", given_name: "Claire", family_name: "Mesure", preferred_username: sub }),
  }),
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600 },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, defaultResource: () => undefined, getResourceServerInfo: (_, resource) => tokenOf(resource) },
  },
});

// What a login would have left behind: a grant of the person, and an access token on it.
const client = await provider.Client.find("bench-login");
const grant = new provider.Grant({ accountId: ACCOUNT, clientId: client.clientId });
grant.addOIDCScope("openid profile");
const token = new provider.AccessToken({
  accountId: ACCOUNT,
  client,
  grantId: await grant.save(),
  gty: "authorization_code",
  scope: "openid profile",
});
const accessToken = await token.save();
provider.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ accessToken })));
