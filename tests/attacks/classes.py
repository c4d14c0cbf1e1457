"""Classes of attack on identity providers, with the incidents that show each of them.

A test names what it repeats, ``@pytest.mark.precedent("CVE-2023-6291")``; docs/reference/attacks.md is made of both, and
tests/architecture/test_attacks.py sees that no incident is left without a test and no test without an incident.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class AttackClass(NamedTuple):
    """What goes wrong, and where it did: identifier of the incident (or of the rule that was broken), and product or story."""

    title: str
    precedents: Mapping[str, str]


CLASSES: Final = (
    AttackClass(
        "A code goes to an address that nobody registered",
        {
            "CVE-2022-3782": "Keycloak",
            "CVE-2023-6291": "Keycloak",
            "CVE-2024-1132": "Keycloak",
            "CVE-2024-8883": "Keycloak, http://localhost:80@evil",
            "CVE-2026-3872": "Keycloak",
            "CVE-2026-7504": "Keycloak",
            "CVE-2026-9689": "Keycloak, parameter pollution",
            "CVE-2024-52289": "authentik, addresses as patterns",
            "CVE-2026-54072": "Authorizer",
        },
    ),
    AttackClass(
        "A redirect before client and address are verified",
        {"CVE-2026-41479": "authlib, unsupported response_type", "CVE-2026-44681": "authlib, missing openid scope"},
    ),
    AttackClass(
        "Script in an address or in a page",
        {
            "CVE-2020-10776": "Keycloak, unsafe schemes",
            "CVE-2023-6717": "Keycloak, unsafe schemes",
            "GO-2026-4861": "Hydra, error_hint",
            "CVE-2026-29191": "Zitadel, the page that posts an answer",
            "CWE-79": "error pages that echo",
        },
    ),
    AttackClass(
        "Logging out leads elsewhere, or logs others out",
        {"CVE-2020-10734": "Keycloak, logout without proof", "CVE-2023-6927": "Keycloak, logout redirect"},
    ),
    AttackClass(
        "PKCE left out or weakened",
        {"CVE-2023-48228": "authentik", "CVE-2024-23647": "authentik", "CVE-2025-4144": "workers-oauth-provider"},
    ),
    AttackClass(
        "A code used twice, by another, or something else used as a code",
        {"CVE-2026-4282": "Keycloak, one store for single-use values of every kind", "RFC9700-4.5": "injection and replay of codes"},
    ),
    AttackClass("One provider's answer taken for another's", {"RFC9700-4.4": "mix-up"}),
    AttackClass(
        "Another key or algorithm than the expected one",
        {
            "CVE-2024-33663": "python-jose, public key as secret",
            "CVE-2026-85394": "python-jose",
            "CVE-2024-37568": "authlib, public key as secret",
            "CVE-2026-114616": "authlib, empty key",
            "CVE-2026-102266": "PyJWT",
            "RFC8725-2.8": "a token of one purpose used for another",
        },
    ),
    AttackClass("A critical header ignored", {"CVE-2025-59420": "authlib", "CVE-2026-32597": "PyJWT"}),
    AttackClass(
        "JOSE that is large, nested or compressed",
        {
            "CVE-2025-61920": "authlib, unbounded segments",
            "CVE-2025-62706": "authlib, zip=DEF",
            "CVE-2024-33664": "python-jose, JWE bomb",
            "CVE-2026-48990": "joserfc, b64=false",
            "GHSA-jv3g": "npm jose, PBES2 with an endless count",
        },
    ),
    AttackClass("Encryption around something unsigned", {"CVE-2026-9793": "Keycloak, request object"}),
    AttackClass(
        "A client assertion made for somebody else",
        {"CVE-2025-27370": "the audience of client assertions", "CVE-2025-27371": "the same, in OAuth"},
    ),
    AttackClass(
        "A relying party that believes a lying provider",
        {"CVE-2024-53861": "PyJWT, part of an issuer", "CVE-2026-114619": "authlib, nonce and issuer"},
    ),
    AttackClass(
        "The provider made to call addresses of the attacker's choice",
        {
            "CVE-2020-10770": "Keycloak, request_uri",
            "CVE-2026-1180": "Keycloak, jwks_uri of a registration",
            "CVE-2026-4874": "Keycloak, host of a logout address",
            "CVE-2022-36663": "Gluu, request_uri",
            "CVE-2026-53513": "Better Auth, addresses of a registration",
        },
    ),
    AttackClass(
        "A session planted, mixed up or forged",
        {
            "CVE-2026-7507": "Keycloak, login-actions/restart",
            "CVE-2025-12390": "Keycloak",
            "CVE-2019-3868": "Keycloak, a token used as a cookie",
            "CVE-2026-109373": "Zitadel, unsigned cookie",
            "CVE-2026-119128": "Zitadel, forgeable check cookie",
            "RFC9449-11.1": "a proof of possession replayed",
            "CWE-384": "a session fixed beforehand",
            "RFC6265-8.5": "cookies of another port",
        },
    ),
    AttackClass(
        "A card that counts and should not, or counts for somebody else's login",
        {
            "CVE-2023-2422": "Keycloak, certificates of clients that were not verified",
            "CVE-2025-23419": "nginx, a session of TLS resumed past the certificate",
            "CWE-294": "what was captured is played again",
            "CWE-295": "certificates not looked at",
            "CWE-299": "revocation not looked at",
            "CWE-348": "a header believed from anybody",
        },
    ),
    AttackClass(
        "A factor or a step of the login skipped",
        {
            "CVE-2026-18963": "Keycloak, password reset without the mail",
            "CVE-2026-94218": "Keycloak",
            "CVE-2026-105207": "Zitadel, a link without proof",
            "CVE-2026-105215": "Zitadel",
        },
    ),
    AttackClass(
        "Guessing without end, or through another door",
        {
            "CVE-2024-4629": "Keycloak, attempts in parallel",
            "CVE-2025-64102": "Zitadel, guessing the second factor",
            "CVE-2026-9798": "Keycloak, CIBA ignored the lock-out",
            "CVE-2026-9792": "Keycloak, password grant past the policy",
        },
    ),
    AttackClass(
        "A grant that this client or this person may not have",
        {
            "CVE-2026-109082": "Keycloak, CIBA for public clients",
            "CVE-2026-1609": "Keycloak, tokens for a disabled user",
            "CVE-2026-1486": "Keycloak",
            "CVE-2024-38371": "authentik, the device flow past the policy",
        },
    ),
    AttackClass(
        "A stolen refresh token lives on",
        {"CVE-2026-1035": "Keycloak, reuse in parallel", "keycloak#52666": "rotation state lost"},
    ),
    AttackClass(
        "The Host or Forwarded header believed",
        {"GHSA-2wmj-46rj-qm2w": "Zitadel, links of password resets", "CVE-2026-29067": "Zitadel, Forwarded"},
    ),
    AttackClass("Logout tokens forged", {"CVE-2026-18569": "Keycloak", "RFC8725-3.11": "one kind of JWT taken for another"}),
    AttackClass(
        "Registration open, or a way to more rights",
        {
            "CVE-2026-15572": "Keycloak",
            "CVE-2026-107623": "Keycloak, an update drops a setting",
            "CVE-2026-59354": "Spring Authorization Server",
            "CVE-2026-101062": "Obot, open to everybody",
        },
    ),
    AttackClass(
        "Into the administration, or beyond one's part of it",
        {
            "GO-2026-4807": "Hydra, SQL in a page token",
            "CVE-2026-14209": "Keycloak, fine-grained permissions",
            "CVE-2026-94000": "Keycloak, fine-grained permissions",
            "API1:2023": "OWASP, broken object-level authorisation",
        },
    ),
    AttackClass(
        "Labels and logs that a stranger fills or forges",
        {"CVE-2026-16100": "Keycloak, texts of errors as labels", "CWE-117": "lines forged in a log", "CWE-779": "logs that are flooded"},
    ),
    AttackClass(
        "People told of without scope",
        {"CVE-2026-55982": "Gitea, userinfo", "CWE-209": "errors that tell too much", "CWE-340": "references that can be guessed"},
    ),
    AttackClass(
        "What a browser may frame, read, keep and send",
        {"CWE-1021": "pages in frames", "CWE-352": "forms of other sites", "CWE-525": "answers kept", "CWE-1275": "cookies sent along"},
    ),
    AttackClass(
        "Settings of a demonstration in production",
        {
            "CWE-489": "debugging aids left on",
            "CWE-732": "keys that others can read",
            "RFC9700-2.6": "metadata that promise something else",
        },
    ),
    AttackClass("Time set back, or an identity mistyped", {"RFC6238-5.2": "a value used once more", "CWE-290": "one person in as another"}),
)
