"""Clients on the administration pages: the list, one with what the standards ask of it, suspension, and a new secret shown once."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.compliance import Finding, Subject, Verdict, judge, lists_for
from idp.endpoints import registry_administration as registry
from idp.endpoints.console.entry import HOME, Entered, form_page, page
from idp.endpoints.pages import pages
from idp.model import Client
from idp.registration import needs_secret
from idp.registration.document import document_of

#: What a redirect may say to the page that it leads to.
NOTICES = frozenset({"suspended", "restored", "saved"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One client of the list."""

    client: Client
    unmet_count: int


def findings(mine: Entered, client: Client) -> list[Finding]:
    """What ``idp check`` says of it, what is not met first."""
    order = [Verdict.NOT_MET, Verdict.ADVISED, Verdict.SERVICE, Verdict.MET]
    found = judge(Subject(client, mine.provider.issuer), lists_for(client))
    return sorted(found, key=lambda one: order.index(one.verdict))


@page
async def show_all(request: Request, mine: Entered) -> Response:
    """GET."""
    lines = [
        Line(client=client, unmet_count=sum(one.verdict is Verdict.NOT_MET for one in findings(mine, client)))
        for client in await mine.provider.store.clients.all()
    ]
    return pages().render(request, "console/clients.html", me=mine.account, csrf=mine.csrf, here=HOME, lines=lines)


@page
async def show_one(request: Request, mine: Entered) -> Response:
    """GET."""
    return await client_page(request, mine, request.path_params["client_id"])


async def client_page(request: Request, mine: Entered, client_id: str, secret: str | None = None) -> Response:
    """One client; ``secret``: what was just made for it, and is shown this once."""
    client = await registry.find_client(mine.actor(request), client_id)
    notice = request.query_params.get("done", "")
    return pages().render(
        request,
        "console/client.html",
        here=f"{HOME}/{client_id}",
        me=mine.account,
        csrf=mine.csrf,
        client=client,
        members=document_of(client),
        version=registry.version_of(client),
        has_secret=needs_secret(client),
        secret=secret,
        findings=findings(mine, client),
        notice=notice if notice in NOTICES else "",
    )


@form_page
async def suspend(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    client_id = request.path_params["client_id"]
    await registry.suspend_client(client_id, mine.actor(request), f'"{form.get("version", "")}"')
    return RedirectResponse(f"{HOME}/{client_id}?done=suspended", 303)


@form_page
async def restore(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST."""
    client_id = request.path_params["client_id"]
    await registry.restore_client(client_id, mine.actor(request), f'"{form.get("version", "")}"')
    return RedirectResponse(f"{HOME}/{client_id}?done=restored", 303)


@form_page
async def rotate_secret(request: Request, mine: Entered, form: Mapping[str, str]) -> Response:
    """POST: the answer shows the secret, and no other page does; reloading it would ask to send the form again, and be refused."""
    client_id = request.path_params["client_id"]
    made = await registry.rotate_secret(client_id, mine.actor(request), f'"{form.get("version", "")}"')
    return await client_page(request, mine, client_id, made.client_secret)


routes: list[BaseRoute] = [
    Route(HOME, show_all, methods=["GET"]),
    Route(f"{HOME}/{{client_id}}", show_one, methods=["GET"]),
    Route(f"{HOME}/{{client_id}}/suspend", suspend, methods=["POST"]),
    Route(f"{HOME}/{{client_id}}/restore", restore, methods=["POST"]),
    Route(f"{HOME}/{{client_id}}/secret", rotate_secret, methods=["POST"]),
]
