"""``idp dev``: a provider to develop and test a service against, in one process, from nothing.

It has invented people, a client with a known secret, a control API in place of phones, and a clock that tests move. It listens on
loopback alone, keeps its state in a folder that goes with it, and is a development provider in every way: never put people on it.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from idp.cli.accounts import apply_accounts, read_people_file
from idp.cli.clients import read_clients_file
from idp.cli.context import faults, with_state
from idp.cli.serving import begin_logging, listening, run, server
from idp.people.file import SAMPLES
from idp.settings import Environment, Settings

if TYPE_CHECKING:
    from idp.model import Account, Client
    from idp.state import State

#: Known to everyone, so that it can stand in the configuration of a test; of no value anywhere else.
DEV_SECRET: Final = "secret-of-development-of-no-value-anywhere"
_HOST: Final = "127.0.0.1"
_REDIRECT_URIS: Final = ("http://127.0.0.1:8080/callback", "http://localhost:8080/callback")
_GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials", "urn:openid:params:grant-type:ciba")
#: Tests are many attempts at once.
_UNLIMITED: Final = 10**9


@dataclass(frozen=True, slots=True)
class _Seed:
    """Who is there from the start."""

    clients: "list[Client]"
    people: "list[Account]"


def dev(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on loopback; 0: any free one.")] = 8800,
    client_id: Annotated[str, typer.Option(help="Client made at the start.")] = "dev",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Of that client; may be repeated.")] = None,
    profile: Annotated[str, typer.Option(help="Of that client: psc, baseline or fapi2.")] = "psc",
    clients_file: Annotated[
        Path | None, typer.Option("--clients", help="YAML file of clients instead; their secrets are all the known one.")
    ] = None,
    accounts_file: Annotated[Path | None, typer.Option("--accounts", help="YAML file of people instead of the invented ones.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Once ready, print one line of JSON instead of text.")] = False,
) -> None:
    """Try services out: invented people, a known client, a clock that tests move. Everything is forgotten at the end."""
    with faults():
        seed = _Seed(
            clients=read_clients_file(clients_file) if clients_file else [_client(client_id, profile, redirect_uri)],
            people=read_people_file(accounts_file or SAMPLES),
        )
        bound = listening(_HOST, port)
    begin_logging()
    with tempfile.TemporaryDirectory(prefix="veilleur-dev-") as folder, bound:
        settings = _settings(Path(folder), bound.getsockname()[1])
        with_state(lambda state: _sow(state, seed), create_keys=True, settings=settings)

        from idp.app import create_app

        with faults():
            run(server(create_app(settings), settings, on_ready=lambda: _tell(settings, seed, as_json=as_json)), [bound])


def _client(client_id: str, profile: str, redirect_uris: list[str] | None) -> "Client":
    from idp.registration import parse_client

    entry = {
        "client_id": client_id,
        "client_name": f"Service en développement ({client_id})",
        "profile": profile,
        "redirect_uris": redirect_uris or list(_REDIRECT_URIS),
        "post_logout_redirect_uris": redirect_uris or list(_REDIRECT_URIS),
        "grant_types": list(_GRANTS),
        "scope": "openid scope_all identity profile",
        "token_endpoint_auth_method": "client_secret_basic",
    }
    return parse_client(entry, f"--client-id {client_id}")


def _settings(folder: Path, port: int) -> Settings:
    base_url = f"http://{_HOST}:{port}"
    return Settings(
        environment=Environment.DEVELOPMENT,
        host=_HOST,
        port=port,
        base_url=base_url,
        state=folder,
        control_api=True,
        outbound_loopback=True,
        store_synchronous="normal",
        client_failure_limit_count=_UNLIMITED,
        account_attempt_limit_count=_UNLIMITED,
        source_attempt_limit_count=_UNLIMITED,
    )


async def _sow(state: "State", seed: _Seed) -> None:
    from idp.registration import apply_clients

    await apply_clients(state.store.clients, state.audit, seed.clients, {client.client_id: DEV_SECRET for client in seed.clients})
    await apply_accounts(state, seed.people)


def _tell(settings: Settings, seed: _Seed, *, as_json: bool) -> None:
    """What a service and its tests need to know."""
    people = [{"national_id": one.national_id, "name": f"{one.given_name} {one.family_name}", "state": one.state} for one in seed.people]
    told = {
        "issuer": settings.issuer,
        "base_url": settings.base_url,
        "clients": [{"client_id": one.client_id, "profile": one.profile, "redirect_uris": one.redirect_uris} for one in seed.clients],
        "client_secret": DEV_SECRET,
        "people": people,
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        sys.stdout.flush()
        return
    lines = [
        f"issuer         {settings.issuer}",
        f"discovery      {settings.issuer}/.well-known/openid-configuration",
        *(
            f"client         {one.client_id} ({one.profile}), returns to {', '.join(one.redirect_uris) or 'nowhere'}"
            for one in seed.clients
        ),
        f"secret         {DEV_SECRET}",
        *(f"person         {one['national_id']}  {one['name']}" for one in people),
        f"control API    {settings.base_url}/control/v1 (approvals, clock); Ctrl-C forgets everything",
    ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()
