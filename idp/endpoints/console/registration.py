"""The registration of a client on the administration pages: written as in a file of clients, looked at, then made so.

Nothing is changed by a text that was not shown with what it changes: the first sending of a text checks it, the second, of the same
text, registers it, to the version that was read and to no other.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.compliance import Finding, Verdict
from idp.endpoints import registry_administration as registry
from idp.endpoints.console.clients import client_page, findings
from idp.endpoints.console.entry import HOME, Entered, form_page, page
from idp.endpoints.pages import pages
from idp.model import Client
from idp.registration import RegistrationError, read_entry
from idp.registration.document import document_of
from idp.registration.plan import Change, plan

NEW: Final = "/administration/registration"
#: What an empty registration begins with.
_START: Final = """\
client_id: ""
client_name: ""
profile: psc
redirect_uris:
  - https://
scope: openid scope_all
token_endpoint_auth_method: client_secret_basic
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a text would do, or why it cannot: exactly what is shown before it counts."""

    fault: str = ""
    change: Change | None = None
    findings: tuple[Finding, ...] = ()


@page
async def begin(request: Request, mine: Entered) -> Response:
    """GET: a registration to fill in."""
    return _page(request, mine, None, _START)


@page
async def edit(request: Request, mine: Entered) -> Response:
    """GET: the registration of one client as it stands."""
    client = await registry.find_client(mine.actor(request), request.path_params["client_id"])
    return _page(request, mine, client, _text(client), version=registry.version_of(client))


@form_page
async def register(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST: a client that is not there yet."""
    return await _sent(request, mine, form, None)


@form_page
async def change(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST: another registration of a client."""
    present = await registry.find_client(mine.actor(request), request.path_params["client_id"])
    return await _sent(request, mine, form, present)


async def _sent(request: Request, mine: Entered, form: Mapping[str, str], present: Client | None) -> Response:
    # Forms send line ends as CR LF (HTML, form submission).
    text, version = form.get("entry", "").replace("\r\n", "\n"), form.get("version", "")
    try:
        client = read_entry(text, "YAML")
        if present is not None and client.client_id != present.client_id:
            raise RegistrationError(f"YAML: client_id: must stay {present.client_id!r}; another name is another service")
    except RegistrationError as error:
        return _page(request, mine, present, text, version=version, look=Look(fault=str(error)))
    if hmac.compare_digest(form.get("checked", "").encode(), _digest(text).encode()) and form.get("act") == "save":
        return await _save(request, mine, client, version)
    changes = plan([present] if present else [], [client], prune=False)
    unmet = tuple(found for found in findings(mine, client) if found.verdict in (Verdict.NOT_MET, Verdict.ADVISED))
    look = Look(change=changes[0] if changes else None, findings=unmet)
    return _page(request, mine, present, text, version=version, look=look)


async def _save(request: Request, mine: Entered, client: Client, version: str) -> Response:
    members, actor = document_of(client), mine.actor(request)
    if version:
        made = await registry.put_client(client.client_id, members, actor, f'"{version}"')
    else:
        made = await registry.put_client(client.client_id, members, actor, if_none_match="*")
    if made.client_secret is not None:
        return await client_page(request, mine, client.client_id, made.client_secret)
    return RedirectResponse(f"{HOME}/{client.client_id}?done=saved", 303)


def _page(request: Request, mine: Entered, present: Client | None, text: str, *, version: str = "", look: Look | None = None) -> Response:
    return pages().render(
        request,
        "console/registration.html",
        status=422 if look and look.fault else 200,
        here=f"{HOME}/{present.client_id}/registration" if present else NEW,
        me=mine.account,
        csrf=mine.csrf,
        present=present,
        text=text,
        version=version,
        checked=_digest(text) if look and look.change else "",
        look=look,
    )


def _text(client: Client) -> str:
    return yaml.safe_dump(document_of(client), sort_keys=False, allow_unicode=True, width=100)


def _digest(text: str) -> str:
    """A browser takes the first line end of a text area away: spaces around do not count."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


routes: list[BaseRoute] = [
    Route(NEW, begin, methods=["GET"]),
    Route(NEW, register, methods=["POST"]),
    Route(f"{HOME}/{{client_id}}/registration", edit, methods=["GET"]),
    Route(f"{HOME}/{{client_id}}/registration", change, methods=["POST"]),
]
