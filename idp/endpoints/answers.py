"""JSON answers of the protocol endpoints, and what authenticates a request to them."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from idp.errors import InvalidDpopProof, InvalidRequest, InvalidToken, OAuthError, UseDpopNonce
from idp.http import header, read_form


def json_answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Never cached (the middleware says so): tokens and claims are for one reader."""
    return Response(orjson.dumps(document), status, headers, media_type="application/json")


def oauth_error(error: OAuthError) -> Response:
    """RFC 6749 §5.2; RFC 6750 §3 when a bearer token is at fault."""
    headers = dict(error.headers)
    if isinstance(error, InvalidToken) and "WWW-Authenticate" not in headers:
        headers["WWW-Authenticate"] = f'Bearer realm="veilleur", error="{error.error}", error_description="{error.description}"'
    # A proof is refused with 400 at the token endpoint, with 401 and a challenge at a resource (RFC 9449 §5, §7.1).
    status = 401 if isinstance(error, InvalidDpopProof | UseDpopNonce) and "WWW-Authenticate" in headers else error.status
    body = {"error": error.error, "error_description": error.description}
    return json_answer(body | ({"error_uri": error.error_uri} if error.error_uri else {}), status, headers)


async def shown_token(request: Request) -> tuple[str, str]:
    """Scheme (``bearer`` or ``dpop``) and access token, from the header or a form body, never from the query.

    RFC 6750 §2, RFC 9449 §7.1, RFC 9700 §4.3.2.
    """
    scheme, _, token = header(request, b"authorization").partition(" ")
    scheme = scheme.lower()
    in_header = token.strip() if scheme in ("bearer", "dpop") else None
    in_form = None
    if request.method == "POST" and header(request, b"content-type").startswith("application/x-www-form-urlencoded"):
        in_form = (await read_form(request)).get("access_token")
    if in_header and in_form:
        raise InvalidRequest("the access token is sent twice: send it in the Authorization header alone")
    found = in_header or in_form
    if not found:
        raise InvalidToken(
            "an access token is required: send it in the Authorization header", headers={"WWW-Authenticate": 'Bearer realm="veilleur"'}
        )
    return (scheme if in_header else "bearer"), found
