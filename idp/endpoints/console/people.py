"""A person on the administration pages: who they are, their phones, where they are logged in; ending and suspending.

Their national identifier is never part of an address: pages are found by our own.
"""

import secrets
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.endpoints import administration as api
from idp.endpoints.console.entry import Entered, form_page, page
from idp.endpoints.devices_seen import device_name, place_name
from idp.endpoints.my_sessions import means_name, moment
from idp.endpoints.pages import pages, preferences
from idp.model import Account

PATH: Final = "/administration/people"
NOTICES: Final = frozenset({"suspended", "restored", "ended", "all_ended", "removed"})
#: Longest reason a form takes, in characters.
_LONGEST_REASON: Final = 500


@page
async def search(request: Request, mine: Entered) -> Response:
    """GET: the field for an identifier."""
    return _search_page(request, mine)


def _search_page(request: Request, mine: Entered, typed: str = "") -> Response:
    """``typed``: what nobody has."""
    status = 404 if typed else 200
    return pages().render(request, "console/people.html", status=status, here=PATH, me=mine.account, csrf=mine.csrf, typed=typed[:64])


@form_page
async def find(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST, so that the identifier stays out of addresses and their logs."""
    typed = form.get("national_id", "")
    try:
        account = await api.account_of(mine.provider, typed)
    except HTTPException:
        return _search_page(request, mine, typed or "–")
    return RedirectResponse(f"{PATH}/{account.id}", 303)


@page
async def show_one(request: Request, mine: Entered) -> Response:
    """GET."""
    provider, account = mine.provider, await _account(request, mine)
    texts = pages().messages(preferences(request).language)
    devices = await provider.store.devices.of_account(account.id)
    names = {one.id: one.name for one in devices}
    found = await api.search_sessions(api.SessionSearch(national_id=account.national_id or ""), mine.actor(request))
    shown = [
        {
            "id": one.id,
            "device": device_name(one.user_agent, texts.texts["phone.browser.on"], texts("phone.browser.unknown")),
            "place": place_name(provider.places, one.source_ip, texts("phone.question.place_unknown")),
            "address": one.source_ip,
            "acr": one.acr,
            "means": means_name(one.method, names.get(one.device_id or ""), texts),
            "since": moment(one.auth_time, texts),
            "last_used": moment(one.last_used_at, texts),
            "clients": one.clients,
            "mine": one.id == mine.session.id,
        }
        for one in found.sessions
    ]
    phones = [
        {
            "id": one.id,
            "name": one.name,
            "state": one.state,
            "since": moment(one.enrolled_at, texts),
            "last_used": moment(one.last_used_at, texts) if one.last_used_at else "",
        }
        for one in devices
    ]
    notice = request.query_params.get("done", "")
    return pages().render(
        request,
        "console/person.html",
        here=f"{PATH}/{account.id}",
        me=mine.account,
        csrf=mine.csrf,
        person=account,
        sessions=shown,
        phones=phones,
        notice=notice if notice in NOTICES else "",
    )


@form_page
async def suspend(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    return await _change(request, mine, form, suspending=True)


@form_page
async def restore(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    return await _change(request, mine, form, suspending=False)


async def _change(request: Request, mine: Entered, form: Mapping[str, str], *, suspending: bool) -> Response:
    account = await _account(request, mine)
    change = api.AccountChange(national_id=account.national_id or "", reason=_reason(form))
    if suspending:
        await api.suspend(change, mine.actor(request))
    else:
        await api.restore(change, mine.actor(request))
    return RedirectResponse(f"{PATH}/{account.id}?done={'suspended' if suspending else 'restored'}", 303)


@form_page
async def end_sessions(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST: one session, or every one where the form names none."""
    account, reason = await _account(request, mine), _reason(form)
    session_id = form.get("session_id")
    if session_id:
        session = await mine.provider.store.sessions.get(session_id, mine.provider.clock())
        if session is None or session.account_id != account.id:
            raise HTTPException(404, "no such live session")
        asked = api.RevocationRequest(session_id=session_id, reason=reason)
    else:
        asked = api.RevocationRequest(national_id=account.national_id, reason=reason)
    await api.revoke(asked, mine.actor(request), secrets.token_urlsafe(16))
    return RedirectResponse(f"{PATH}/{account.id}?done={'ended' if session_id else 'all_ended'}", 303)


@form_page
async def remove_phone(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    account, reason = await _account(request, mine), _reason(form)
    device = await mine.provider.store.devices.get(form.get("device_id", ""))
    if device is None or device.account_id != account.id:
        raise HTTPException(404, "no such device")
    await api.remove_device(device.id, api.DeviceRemoval(reason=reason), mine.actor(request))
    return RedirectResponse(f"{PATH}/{account.id}?done=removed", 303)


async def _account(request: Request, mine: Entered) -> Account:
    account = await mine.provider.store.accounts.get(request.path_params["account_id"])
    if account is None or not account.national_id:
        raise HTTPException(404, "nobody is known under this address")
    return account


def _reason(form: Mapping[str, str]) -> str:
    """Why, for the audit log: nothing is done to a person without."""
    reason = form.get("reason", "").strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise HTTPException(422, "reason")
    return reason


routes: list[BaseRoute] = [
    Route(PATH, search, methods=["GET"]),
    Route(PATH, find, methods=["POST"]),
    Route(f"{PATH}/{{account_id}}", show_one, methods=["GET"]),
    Route(f"{PATH}/{{account_id}}/suspend", suspend, methods=["POST"]),
    Route(f"{PATH}/{{account_id}}/restore", restore, methods=["POST"]),
    Route(f"{PATH}/{{account_id}}/sessions", end_sessions, methods=["POST"]),
    Route(f"{PATH}/{{account_id}}/phones", remove_phone, methods=["POST"]),
]
