"""How an answer of the authorization endpoint reaches the client: in the query, as a form, plain or signed.

OAuth 2.0 Form Post Response Mode 1.0; JWT Secured Authorization Response Mode (JARM) 1.0; RFC 9207.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.authorization.respond import answer_members, location, mode_of
from idp.endpoints.pages import pages
from idp.endpoints.spoiled import spoil_response
from idp.http import content_security_policy, source_of_policy
from idp.model import Client
from idp.provider import Provider


async def answer_client(
    request: Request,
    provider: Provider,
    client: Client,
    redirect_uri: str,
    asked: Mapping[str, str],
    members: Mapping[str, str | None],
) -> Response:
    """Send ``members`` to a verified ``redirect_uri`` in the mode that the request ``asked`` for.

    A redirect is always 303 (RFC 9700 §4.12: never 307).
    """
    mode = mode_of(asked)
    told = spoil_response(provider, client, answer_members(provider.issuer, asked.get("state"), members))
    if mode.signed:
        told = {"response": await provider.tokens.authorization_response(client, told)}
    if not mode.form:
        return RedirectResponse(location(redirect_uri, told), 303)
    response = pages().render(
        request,
        "form_post.html",
        ui_locales=asked.get("ui_locales", ""),
        client=client,
        action=redirect_uri,
        members=told,
    )
    response.headers["content-security-policy"] = content_security_policy(form_action=(source_of_policy(redirect_uri),))
    return response
