"""Where the answer may go: a registered URI, character for character (RFC 9700 §2.1, OpenID Connect Core §3.1.2.1).

The one exception is the port of an app on the person's own machine, which the system gives it when it starts to listen.
"""

import re
from typing import Final

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest
from idp.model import Client

#: Addresses of this machine as literals (RFC 8252 §7.3); a name such as localhost could lead elsewhere (§8.3).
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)")


def check_redirect_uri(request: AuthorizationRequest) -> None:
    """Never redirects. No default even when a single one is registered: OpenID Connect demands the parameter."""
    redirect_uri = request.get("redirect_uri")
    if redirect_uri is None:
        raise InvalidRequest("redirect_uri is missing", allow_redirect=False)
    if not is_registered(request.proved_client, redirect_uri):
        raise InvalidRequest(
            "redirect_uri is not one that this service registered", detail=f"redirect_uri {redirect_uri[:200]!r}", allow_redirect=False
        )
    request.redirect_uri = redirect_uri


def is_registered(client: Client, redirect_uri: str) -> bool:
    """Whether answers for the client may go there; for an app without secret, at whatever port of this machine it listens."""
    if redirect_uri in client.redirect_uris:
        return True
    app = client.application_type == "native" and client.token_endpoint_auth_method == "none"
    asked = _without_port(redirect_uri) if app else None
    return asked is not None and asked in map(_without_port, client.redirect_uris)


def _without_port(uri: str) -> tuple[str, str] | None:
    """A loopback URI before and after its port; None for any other."""
    match = _LOOPBACK.fullmatch(uri)
    return (match[1], match[3]) if match and int(match[2] or 80) <= 65_535 else None
