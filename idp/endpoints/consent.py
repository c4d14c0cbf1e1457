"""The page that shows who asks for what, before a service that registered itself gets its first code (OpenID Connect Core §3.1.2.4).

The yes is to what the page showed: its form carries a token made of that, of this browser and of this person.
"""

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authorization.require_consent import wanted_consent
from idp.endpoints.logged_out import SCREEN_ZONE
from idp.endpoints.pages import Messages
from idp.endpoints.visit import Visit, stopped, visit_of
from idp.http import read_form
from idp.model import Consent, Session
from idp.provider import Provider
from idp.sessions import current, user_agent
from vocabulary.audit import AuditAction, Outcome

#: Scope values that the page says in words; others are shown as they are.
WORDED: Final = ("openid", "profile", "identity", "scope_all")


async def show(request: Request) -> Response:
    """GET: who asks, where the answer goes, and for what."""
    visit = await visit_of(request)
    if visit is None or visit.interaction.device_code_hash is not None:
        return stopped(request, "gone", 410)
    session = await current(visit.provider, request)
    if session is None:
        return _back(visit)
    wanted = _wanted(visit, session)
    worded, others = scope_parts(wanted.scope)
    return visit.page(
        "consent.html",
        place=wanted.place,
        worded=worded,
        others=others,
        registered_on=on_day(visit.client.registered_at),
        yes=_yes(visit, wanted),
    )


async def agree(request: Request) -> Response:
    """POST: keep the yes, and go on with the login. A no is the cancellation of the login."""
    visit = await visit_of(request)
    if visit is None or visit.interaction.device_code_hash is not None:
        return stopped(request, "gone", 410)
    session = await current(visit.provider, request)
    form = await read_form(request)
    if session is None:
        return _back(visit)
    wanted = _wanted(visit, session)
    if not hmac.compare_digest(form.get("yes", "").encode(), _yes(visit, wanted).encode()):
        return stopped(request, "refused", 403)
    provider, store = visit.provider, visit.provider.store
    if visit.client.registered_at is not None:
        await keep(provider, wanted)
    await store.interactions.put(replace(visit.interaction, consented_account_id=session.account_id))
    account = await store.accounts.get(session.account_id)
    provider.audit.record(
        AuditAction.CONSENT_GIVEN,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id if account else None,
            "source.ip": provider.sources(request),
            "user_agent.original": user_agent(request),
            "health.relying_party.id": wanted.client_id,
            "health.session.id": session.id,
            "health.scope": sorted(wanted.scope),
        },
    )
    return _back(visit)


async def keep(provider: Provider, wanted: Consent) -> None:
    """Keep a yes; one to the same service at the same place that was given before counts too."""
    consents, now = provider.store.consents, provider.clock()
    before = await consents.get(wanted.account_id, wanted.client_id, now)
    same = before is not None and replace(before, scope=wanted.scope).covers(wanted)
    kept = replace(wanted, scope=wanted.scope | before.scope) if before and same else wanted
    await consents.put(kept, until=now + provider.lifetimes.consent)


def scope_parts(scope: frozenset[str]) -> tuple[list[str], list[str]]:
    """The values that have words, and the others."""
    return [name for name in WORDED if name in scope], sorted(scope - set(WORDED))


def scope_in_words(scope: frozenset[str], texts: Messages) -> list[str]:
    """What a scope gives, a line for each value."""
    worded, others = scope_parts(scope)
    return [texts(f"consent.scope.{name}") for name in worded] + [f"{texts('consent.other')} {name}" for name in others]


def on_day(at: datetime | None) -> str | None:
    """``22/11/2026``, on the wall of the establishment."""
    return at.astimezone(SCREEN_ZONE).strftime("%d/%m/%Y") if at else None


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/auth/resume/{visit.interaction.id}", 303)


def _wanted(visit: Visit, session: Session) -> Consent:
    return wanted_consent(visit.client, session.account_id, visit.interaction.request, visit.provider.clock())


def _yes(visit: Visit, wanted: Consent) -> str:
    """Only this page, in this browser, for this person, has it: a service that changes meanwhile is shown again."""
    shown = "\0".join((wanted.account_id, wanted.client_id, wanted.client_name, wanted.place, *sorted(wanted.scope)))
    return hmac.new(visit.csrf().encode(), f"consent\0{shown}".encode(), hashlib.sha256).hexdigest()


routes: list[BaseRoute] = [
    Route("/consent/{interaction_id}", show, methods=["GET"]),
    Route("/consent/{interaction_id}", agree, methods=["POST"]),
]
