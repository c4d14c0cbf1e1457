"""A login by card as a browser goes through it: off to the address where certificates are asked for, back with a proof, and one's own yes.

At that address nothing is shown: it only looks at the certificate and sends the browser back, so that one handshake is all that a card
signs. Everything that a person reads or posts is under the cookie of the login (:mod:`idp.endpoints.visit`).
"""

import math
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authentication.card_login import METHOD, holds_ticket, invite, present, proved, take_proof
from idp.authentication.refusal import AuthenticationRefused
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.entering import enter
from idp.endpoints.means import means_of
from idp.endpoints.sender import certificate_of
from idp.endpoints.visit import Visit, stopped, visit_of
from idp.errors import InvalidClient
from idp.http import read_form
from idp.provider import Provider, provider_of
from idp.tokens.certificate import Certificate

#: Refusals that have words of their own on the page; ``too_many_attempts`` has the number of minutes.
FAULTS: Final = (
    *("card_missing", "card_misplaced", "card_unreadable", "card_expired", "card_not_yet_valid", "card_purpose", "card_authority"),
    *("card_revoked", "card_unchecked", "card_nameless", "card_unknown", "card_suspended", "too_many_attempts", "card_used"),
)
#: Those that a change of card or of browser does not mend.
_OURS: Final = frozenset({"card_misplaced", "card_unchecked"})
_ABSENT: Final = {
    "none": ("card_missing", "the browser showed no certificate"),
    "untrusted": ("card_misplaced", "the header of the certificate is not a trusted proxy's"),
    "ambiguous": ("card_misplaced", "the header of the certificate is there more than once, or too long"),
}


async def send_off(visit: Visit) -> Response:
    """After the choice on the login page: to the address of cards, with a ticket of this login."""
    provider = visit.provider
    ticket = await invite(doors_of(provider), visit.interaction, origin_of(provider, visit.request))
    return RedirectResponse(f"{provider.card_base_url}/card/{visit.interaction.id}/{ticket}", 303)


async def show(request: Request) -> Response:
    """GET, at the address of cards, without any cookie: look at the certificate of the connection, and go back with what it proves."""
    provider = provider_of(request)
    interaction = await provider.store.interactions.get(request.path_params["interaction_id"], provider.clock())
    if interaction is None or provider.cards is None or not holds_ticket(interaction, request.path_params["ticket"]):
        return stopped(request, "gone", 410)
    back = f"{provider.base_url}/login/{interaction.id}/card"
    try:
        proof = await present(doors_of(provider), provider.cards, interaction, _shown(request, provider), origin_of(provider, request))
    except AuthenticationRefused:
        return RedirectResponse(back, 303)
    return RedirectResponse(f"{back}/{proof}", 303)


def _shown(request: Request, provider: Provider) -> Certificate | AuthenticationRefused:
    """The certificate, or why there is none to look at."""
    try:
        certificate = certificate_of(request, provider)
    except InvalidClient as error:
        return AuthenticationRefused("card_unreadable", f"the certificate cannot be read: {error.detail}", status=403)
    return certificate or AuthenticationRefused(*_ABSENT[provider.certificates.absence(request)], status=403)


async def tell_fault(request: Request) -> Response:
    """GET, back under the cookie: why the card was refused, and what to do."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    fault = visit.interaction.card_fault
    if fault not in FAULTS:
        return RedirectResponse(f"/login/{visit.interaction.id}", 303)
    return _refused(visit, fault)


def _refused(visit: Visit, fault: str) -> Response:
    limited = fault == "too_many_attempts"
    seconds = int(visit.provider.limits.window.total_seconds())
    response = visit.page(
        "card_refused.html",
        status=429 if limited else 409 if fault == "card_used" else 403,
        fault=fault,
        ours=fault in _OURS,
        minutes=math.ceil(seconds / 60),
        others=len(means_of(visit).names) > 1,
    )
    if limited:
        response.headers["retry-after"] = str(seconds)
    return response


async def confirm(request: Request) -> Response:
    """GET, back under the cookie: whose card it is, and which service it opens; nothing has begun."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    account = await proved(doors_of(visit.provider), visit.interaction, request.path_params["proof"])
    if account is None:
        return _refused(visit, "card_used")
    return visit.page("card_confirm.html", account=account, proof=request.path_params["proof"])


async def go_in(request: Request) -> Response:
    """POST: the person's yes; once."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    form = await read_form(request)
    if not visit.is_served_here(form):
        return stopped(request, "refused", 403)
    provider = visit.provider
    account = await take_proof(doors_of(provider), visit.interaction, request.path_params["proof"], origin_of(provider, request))
    if account is None:
        return _refused(visit, "card_used")
    return await enter(visit, account, METHOD, {"tls.client.hash.sha256": visit.interaction.card_thumbprint})


routes: list[BaseRoute] = [
    Route("/card/{interaction_id}/{ticket}", show, methods=["GET"]),
    Route("/login/{interaction_id}/card", tell_fault, methods=["GET"]),
    Route("/login/{interaction_id}/card/{proof}", confirm, methods=["GET"]),
    Route("/login/{interaction_id}/card/{proof}", go_in, methods=["POST"]),
]
