"""The audit log on the administration pages: a search by person, service, action, request and time. The search leaves a trace too."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import HTTPException
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints import registry_administration as registry
from idp.endpoints.console.entry import Entered, form_page, page
from idp.endpoints.logged_out import SCREEN_ZONE
from idp.endpoints.my_sessions import moment
from idp.endpoints.pages import pages, preferences
from vocabulary.audit import AuditAction

PATH: Final = "/administration/audit"
_FIELDS: Final = ("from_at", "to_at", "action", "national_id", "client_id", "reference")
#: How far back the page looks where nothing is said.
_USUAL: Final = timedelta(hours=24)
#: Members of an event that its line shows; the rest are in its details.
_SHOWN: Final = ("@timestamp", "event.action", "event.outcome")


@page
async def show(request: Request, mine: Entered) -> Response:
    """GET: the empty form."""
    since = (mine.provider.clock() - _USUAL).astimezone(SCREEN_ZONE).strftime("%Y-%m-%dT%H:%M")
    return _page(request, mine, {"from_at": since})


@form_page
async def search(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST, so that identifiers stay out of addresses and their logs."""
    given = {name: form[name].strip() for name in _FIELDS if form.get(name, "").strip()}
    try:
        asked = registry.AuditSearch.model_validate({**given, **_instants(given)})
    except (ValidationError, ValueError):
        return _page(request, mine, given, wrong=True)
    try:
        found = await registry.search_audit(asked, mine.actor(request))
    except HTTPException as error:
        if error.status_code != 404:  # nobody has this identifier
            raise
        return _page(request, mine, given, found=registry.FoundEvents(events=[], complete=True))
    return _page(request, mine, given, found=found)


def _instants(given: Mapping[str, str]) -> dict[str, datetime]:
    """What a person types is the time on the wall of the establishment; raises ValueError."""
    return {name: datetime.fromisoformat(given[name]).replace(tzinfo=SCREEN_ZONE) for name in ("from_at", "to_at") if name in given}


def _page(
    request: Request, mine: Entered, given: Mapping[str, str], *, found: registry.FoundEvents | None = None, wrong: bool = False
) -> Response:
    texts = pages().messages(preferences(request).language)
    events: list[dict[str, Any]] = [
        {
            "at": moment(datetime.fromisoformat(event["@timestamp"]), texts),
            "utc": event["@timestamp"],
            "action": event["event.action"],
            "outcome": event["event.outcome"],
            "members": {name: value for name, value in event.items() if name not in _SHOWN},
        }
        for event in (found.events if found else ())
    ]
    return pages().render(
        request,
        "console/audit.html",
        status=422 if wrong else 200,
        here=PATH,
        me=mine.account,
        csrf=mine.csrf,
        given=dict.fromkeys(_FIELDS, "") | dict(given),
        actions=sorted(AuditAction),
        events=events,
        searched=found is not None,
        complete=found.complete if found else True,
        wrong=wrong,
    )


routes: list[BaseRoute] = [Route(PATH, show, methods=["GET"]), Route(PATH, search, methods=["POST"])]
