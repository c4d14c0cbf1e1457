"""Signing keys on the administration pages: which signs, which comes next, bringing the next one in, and withdrawing a stolen one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from fastapi import HTTPException
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.endpoints import registry_administration as registry
from idp.endpoints.console.entry import Entered, form_page, page
from idp.endpoints.my_sessions import moment
from idp.endpoints.pages import pages, preferences
from idp.keys import SigningKey

PATH: Final = "/administration/keys"
_NOTICES: Final = frozenset({"rotated", "withdrawn"})


def state_of(key: SigningKey, keys: tuple[SigningKey, ...], now: datetime) -> str:
    """``next`` before its first signature, ``signing``, ``leaving`` while only its old signatures count, ``gone``."""
    if key.removed_at is not None and key.removed_at <= now:
        return "gone"
    if key.active_at > now:
        return "next"
    active = [one for one in keys if one.alg == key.alg and one.active_at <= now and (one.removed_at is None or one.removed_at > now)]
    return "signing" if max(active, key=lambda one: one.active_at).kid == key.kid else "leaving"


@page
async def show(request: Request, mine: Entered) -> Response:
    """GET."""
    texts = pages().messages(preferences(request).language)
    now, keys = mine.provider.clock(), mine.provider.keys.keys
    shown = [
        {
            "kid": key.kid,
            "alg": key.alg,
            "state": state_of(key, keys, now),
            "created": moment(key.created_at, texts),
            "active": moment(key.active_at, texts),
            "removed": moment(key.removed_at, texts) if key.removed_at else "",
        }
        for key in sorted(keys, key=lambda key: (key.alg, key.active_at), reverse=True)
    ]
    notice = request.query_params.get("done", "")
    done = notice if notice in _NOTICES else ""
    return pages().render(request, "console/keys.html", here=PATH, me=mine.account, csrf=mine.csrf, keys=shown, notice=done)


@form_page
async def rotate(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    try:
        # Every value of a form is text; the API takes no text for a number.
        asked = registry.Rotation.model_validate_strings({"alg": form.get("alg", ""), "lead_hours": form.get("lead_hours", "24")})
    except ValidationError as error:
        raise HTTPException(422, "alg, lead_hours") from error
    await registry.rotate_key(asked, mine.actor(request))
    return RedirectResponse(f"{PATH}?done=rotated", 303)


@form_page
async def withdraw(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    try:
        asked = registry.Withdrawal.model_validate({"reason": form.get("reason", "").strip()})
    except ValidationError as error:
        raise HTTPException(422, "reason") from error
    await registry.withdraw_key(form.get("kid", ""), asked, mine.actor(request))
    return RedirectResponse(f"{PATH}?done=withdrawn", 303)


routes: list[BaseRoute] = [
    Route(PATH, show, methods=["GET"]),
    Route(PATH, rotate, methods=["POST"]),
    Route(f"{PATH}/withdraw", withdraw, methods=["POST"]),
]
