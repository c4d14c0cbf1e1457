"""The pages of a service's developers: the last refused requests of their clients, and one of them beside what is registered.

A session of this browser says who reads; a client's registration (``developers``) says whose refusals they may see. A reference that is
unknown, expired or of somebody else's client, and a person who develops nothing, get one and the same page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.my_sessions import moment
from idp.endpoints.own_client import DEVELOPERS, login_path
from idp.endpoints.pages import Messages, pages, preferences
from idp.endpoints.visit import stopped
from idp.errors import OperationError
from idp.explanation.comparison import Row, compare
from idp.explanation.facts import GIVEN
from idp.model import Account, AccountState, Client, Refusal
from idp.provider import Provider, provider_of
from idp.sessions import current

#: How :mod:`idp.explanation.facts` says how long something was that it did not keep.
_LENGTH: Final = re.compile(f"{GIVEN}, ([0-9 …]+)")
_REFERENCE: Final = re.compile(r"[0-9a-f]{16}")
#: Of each client, on the list.
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalShown:
    """One line of the list."""

    reference: str
    at: str
    endpoint: str
    error: str
    description: str


async def show(request: Request) -> Response:
    """GET: the last refusals of the clients that the person develops."""
    provider = provider_of(request)
    account = await _reader(request, provider)
    if account is None:
        return RedirectResponse(login_path(provider.base_url, DEVELOPERS), 303)
    clients = [client for client in await provider.store.clients.all() if account.national_id in client.developers]
    if not clients:
        return _absent(request)
    texts = pages().messages(preferences(request).language)
    now = provider.clock()
    listed = [(client, [_line(one, texts) for one in (await _of(provider, client))[:_SHOWN]]) for client in clients]
    return pages().render(
        request, "developers.html", clients=listed, days=provider.kept_refusals.memory.days, read_at=moment(now, texts), here="/developers"
    )


async def show_one(request: Request) -> Response:
    """GET: one refusal. Whether there is one is decided after the login, so that nobody learns from being asked to log in."""
    provider = provider_of(request)
    reference = request.path_params["reference"]
    account = await _reader(request, provider)
    if account is None:
        known = reference if _REFERENCE.fullmatch(reference) else ""
        return RedirectResponse(login_path(provider.base_url, DEVELOPERS, state=known), 303)
    found = await _find(provider, reference, account)
    if found is None:
        return _absent(request)
    refusal, client = found
    texts = pages().messages(preferences(request).language)
    rows = [_in_words(row, texts) for row in compare(refusal, client, provider.issuer)]
    return pages().render(
        request,
        "developer_refusal.html",
        refusal=_line(refusal, texts),
        detail=refusal.detail,
        client=client,
        rows=rows,
        faults=[row for row in rows if row.rule],
        until=moment(refusal.expires_at, texts),
    )


async def come_back(request: Request) -> Response:
    """GET, from the authorization endpoint: to the page that was asked for, or to a page when the person cancelled."""
    if "error" in request.query_params:
        return stopped(request, "gone", 200)
    reference = request.query_params.get("state", "")
    return RedirectResponse(f"/developers/{reference}" if _REFERENCE.fullmatch(reference) else "/developers", 303)


async def _reader(request: Request, provider: Provider) -> Account | None:
    """The person of this browser's session; one who is suspended has none."""
    mine = await current(provider, request)
    account = await provider.store.accounts.get(mine.account_id) if mine else None
    return account if account and account.state is AccountState.ACTIVE and account.national_id else None


async def _find(provider: Provider, reference: str, account: Account) -> tuple[Refusal, Client] | None:
    refusal = await provider.store.refusals.get(reference, provider.clock()) if _REFERENCE.fullmatch(reference) else None
    client = await provider.store.clients.get(refusal.client_id) if refusal else None
    if refusal is None or client is None or account.national_id not in client.developers:
        return None
    try:
        return refusal, await provider.client_keys.of(client)
    except OperationError:
        return refusal, client


async def _of(provider: Provider, client: Client) -> Sequence[Refusal]:
    return await provider.store.refusals.of_client(client.client_id, provider.clock())


def _line(refusal: Refusal, texts: Messages) -> RefusalShown:
    return RefusalShown(
        reference=refusal.reference,
        at=moment(refusal.at, texts),
        endpoint=refusal.endpoint,
        error=refusal.error,
        description=refusal.description,
    )


def _in_words(row: Row, texts: Messages) -> Row:
    """What is not a value of the protocol, in the reader's language."""
    sent = row.sent if row.sent is None else _word(row.sent, texts)
    return replace(row, sent=sent, expected=tuple(_word(value, texts) for value in row.expected))


def _word(value: str, texts: Messages) -> str:
    known = texts.texts.get(f"developers.value.{value}")
    return known or _LENGTH.sub(lambda found: texts("developers.value.length", count=found[1]), value)


def _absent(request: Request) -> Response:
    return pages().render(request, "developer_absent.html", status=404, here="/developers")


routes: list[BaseRoute] = [
    Route("/developers", show, methods=["GET"]),
    Route(DEVELOPERS.return_path, come_back, methods=["GET"]),
    Route("/developers/{reference}", show_one, methods=["GET"]),
]
