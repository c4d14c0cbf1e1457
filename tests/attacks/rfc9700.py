"""Sections of RFC 9700 that ask something of somebody; docs/reference/rfc9700.md says by which test each is proved.

Tests name them by ``@pytest.mark.spec("RFC9700-4.8.2")``. tests/architecture/test_attacks.py sees that each has a test or a reason.
"""

from collections.abc import Mapping
from typing import Final

SECTIONS: Final[Mapping[str, str]] = {
    "2.1": "Protecting redirect-based flows",
    "2.1.1": "Authorization code grant",
    "2.1.2": "Implicit grant",
    "2.2.1": "Replay of access tokens",
    "2.2.2": "Replay of refresh tokens",
    "2.3": "Privileges of access tokens",
    "2.4": "Resource owner password credentials grant",
    "2.5": "Client authentication",
    "2.6": "Other recommendations: metadata, end-to-end TLS, no CORS at the authorization endpoint",
    "4.1.3": "Redirect URI validation",
    "4.2.4": "Leakage by Referer headers",
    "4.3.1": "Codes in the history of a browser",
    "4.3.2": "Access tokens in the history of a browser",
    "4.4.2.1": "Mix-up: issuer identification",
    "4.4.2.2": "Mix-up: distinct redirect URIs",
    "4.5.3.1": "Code injection: PKCE",
    "4.5.3.2": "Code injection: nonce",
    "4.5.3.3": "Code injection: other solutions",
    "4.6.1": "Access token injection",
    "4.7.1": "Cross-site request forgery",
    "4.8.2": "PKCE downgrade",
    "4.9.3": "Leakage at the resource server",
    "4.10.1": "Sender-constrained access tokens",
    "4.10.2": "Audience-restricted access tokens",
    "4.10.3": "Leakage prevented by metadata",
    "4.11.1": "The client as open redirector",
    "4.11.2": "The authorization server as open redirector",
    "4.12": "307 redirects",
    "4.13": "TLS-terminating reverse proxies",
    "4.14.2": "Refresh token protection",
    "4.15.1": "A client that passes for a person",
    "4.16": "Clickjacking",
    "4.17.2": "In-browser communication flows",
}

NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "4.4.2.2": "meant for where no issuer is in the answer; it is in every one (4.4.2.1)",
    "4.5.3.3": "names what the RFC itself does not recommend instead of PKCE and nonce; both are there (4.5.3.1, 4.5.3.2)",
    "4.10.3": "discusses metadata about resource servers that the RFC advises against; none are published",
}
