"""``idp dev``: a provider to develop and test a service against, in one process, from nothing.

It has invented people, a client with a known secret, a control API in place of phones, and a clock that tests move. It listens on
loopback alone, keeps its state in a folder that goes with it, and is a development provider in every way: never put people on it.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from idp.authority import CardFiles, Files, certify, make_cards
from idp.cli.accounts import apply_accounts, read_people_file
from idp.cli.clients import read_clients_file
from idp.cli.context import faults, with_state
from idp.cli.serving import begin_logging, listening, run, server
from idp.people.file import SAMPLES
from idp.settings import Environment, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import ECKey
    from starlette.types import ASGIApp, Receive, Scope, Send

    from idp.model import Account, Client
    from idp.state import State

#: Of the issuer and of the pages, as Pro Santé Connect's sandbox has them (production has ``esw`` for ``bas.psc``).
SANDBOX_HOSTS: Final = ("auth.bas.psc.esante.gouv.fr", "wallet.bas.psc.esante.gouv.fr")
#: Known to everyone, so that it can stand in the configuration of a test; of no value anywhere else.
DEV_SECRET: Final = "secret-of-development-of-no-value-anywhere"
_HOST: Final = "127.0.0.1"
_REDIRECT_URIS: Final = ("http://127.0.0.1:8080/callback", "http://localhost:8080/callback")
_GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials", "urn:openid:params:grant-type:ciba")
#: Tests are many attempts at once.
_UNLIMITED: Final = 10**9
#: In which a test shows a card, as a proxy would: PEM in percent-encoding.
CARD_HEADER: Final = "X-Client-Cert"


@dataclass(frozen=True, slots=True)
class _Seed:
    """Who is there from the start."""

    clients: "list[Client]"
    people: "list[Account]"
    #: What the client that was made here signs with, where its profile takes no secret.
    client_jwk: "Mapping[str, Any] | None" = None


def dev(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port on loopback (8800, or 443 with --sandbox); 0: any.")] = None,
    client_id: Annotated[str, typer.Option(help="Client made at the start.")] = "dev",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Of that client; may be repeated.")] = None,
    profile: Annotated[str, typer.Option(help="Of that client: psc, baseline or fapi2.")] = "psc",
    jwks_file: Annotated[
        Path | None, typer.Option("--jwks", help="Public keys of that client, which then proves itself by private_key_jwt.", exists=True)
    ] = None,
    clients_file: Annotated[
        Path | None, typer.Option("--clients", help="YAML file of clients instead; their secrets are all the known one.")
    ] = None,
    accounts_file: Annotated[Path | None, typer.Option("--accounts", help="YAML file of people instead of the invented ones.")] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Answer over TLS under the names of Pro Santé Connect's sandbox, for clients that know no others."),
    ] = False,
    authority: Annotated[
        Path | None, typer.Option(help="Folder that keeps the certificate authority, so that it needs to be trusted once.")
    ] = None,
    card: Annotated[
        str | None, typer.Option(help="National identifier of the person whose card is in the reader, for browsers at the provider itself.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Once ready, print one line of JSON instead of text.")] = False,
) -> None:
    """Try services out: invented people, a known client, a clock that tests move. Everything is forgotten at the end."""
    with faults():
        people = read_people_file(accounts_file or SAMPLES)
        if clients_file:
            seed = _Seed(clients=read_clients_file(clients_file), people=people)
        else:
            own = _new_key() if profile == "fapi2" and jwks_file is None else None
            jwks = {"keys": [own.as_dict(private=False)]} if own else _read_jwks(jwks_file)
            entry = _entry(client_id, profile, redirect_uri, jwks)
            seed = _Seed(clients=[_client(entry)], people=people, client_jwk=own.as_dict(private=True) if own else None)
        bound = listening(_HOST, (443 if sandbox else 8800) if port is None else port)
    begin_logging()
    with tempfile.TemporaryDirectory(prefix="veilleur-dev-") as folder, bound:
        with faults():
            cards = make_cards(Path(folder) / "cards", [one.national_id for one in people if one.national_id], datetime.now(UTC))
        if card is not None and card not in cards.cards:
            with faults():
                raise ValueError(f"--card {card}: none of the people has this national identifier")
        settings = _settings(Path(folder), bound.getsockname()[1], cards, sandbox=sandbox)
        with_state(lambda state: _sow(state, seed), create_keys=True, settings=settings)

        from idp.app import create_app

        with faults():
            tls = certify(authority or Path(folder) / "authority", SANDBOX_HOSTS, datetime.now(UTC)) if sandbox else None
            say = partial(_tell, settings, seed, tls, cards, as_json=as_json)
            application = create_app(settings)
            reader = CardReader(application, cards.cards[card]) if card else application
            run(server(reader, settings, on_ready=say, tls=tls), [bound])


class CardReader:
    """Plays the proxy with one card in the reader: it is shown where a browser is asked for one and brings none."""

    def __init__(self, application: "ASGIApp", card: Path) -> None:
        self._application = application
        certificate, _, _ = card.read_text("ascii").partition("-----BEGIN PRIVATE KEY-----")
        self._shown = (CARD_HEADER.lower().encode(), quote(certificate, safe="").encode())

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Add the header where it is missing."""
        if scope["type"] == "http" and scope["path"].startswith("/card/") and self._shown[0] not in dict(scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], self._shown]}
        await self._application(scope, receive, send)


def _entry(client_id: str, profile: str, redirect_uris: list[str] | None, jwks: "Mapping[str, Any] | None") -> dict[str, Any]:
    """The client as a file of clients would have it; with ``jwks`` it proves itself by a signature."""
    entry: dict[str, Any] = {
        "client_id": client_id,
        "client_name": f"Service en développement ({client_id})",
        "profile": profile,
        "redirect_uris": redirect_uris or list(_REDIRECT_URIS),
        "post_logout_redirect_uris": redirect_uris or list(_REDIRECT_URIS),
        "grant_types": list(_GRANTS),
        "scope": "openid scope_all identity profile",
        "token_endpoint_auth_method": "private_key_jwt" if jwks else "client_secret_basic",
    }
    if jwks:
        entry["jwks"] = jwks
    if profile == "fapi2":
        # Its profile takes http for native applications alone, and services under development are on this machine.
        entry |= {"application_type": "native", "backchannel_authentication_request_signing_alg": "ES256"}
    return entry


def _client(entry: dict[str, Any]) -> "Client":
    from idp.registration import parse_client

    return parse_client(entry, f"--client-id {entry['client_id']}")


def _new_key() -> "ECKey":
    from joserfc.jwk import ECKey

    return ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)


def _read_jwks(path: Path | None) -> "Mapping[str, Any] | None":
    if path is None:
        return None
    try:
        document: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a JWK set: {error}") from error
    return document


def _settings(folder: Path, port: int, cards: CardFiles, *, sandbox: bool) -> Settings:
    base_url = f"https://{SANDBOX_HOSTS[1]}" if sandbox else f"http://{_HOST}:{port}"
    return Settings(
        issuer=f"https://{SANDBOX_HOSTS[0]}/auth/realms/esante-wallet" if sandbox else "",
        issuer_host_served=sandbox,
        environment=Environment.DEVELOPMENT,
        host=_HOST,
        port=port,
        base_url=base_url,
        state=folder,
        control_api=True,
        outbound_loopback=True,
        # Whoever connects plays the proxy as well: nobody but this machine can.
        trusted_proxies=(f"{_HOST}/32",),
        client_certificate_header=CARD_HEADER,
        client_certificate_verify_header=f"{CARD_HEADER}-Verify",
        card_base_url=base_url,
        card_authorities_file=cards.authority,
        store_synchronous="normal",
        client_failure_limit_count=_UNLIMITED,
        account_attempt_limit_count=_UNLIMITED,
        source_attempt_limit_count=_UNLIMITED,
        authorization_limit_count=_UNLIMITED,
    )


async def _sow(state: "State", seed: _Seed) -> None:
    from idp.registration import apply_clients

    await apply_clients(state.store.clients, state.audit, seed.clients, {client.client_id: DEV_SECRET for client in seed.clients})
    await apply_accounts(state, seed.people)


def _tell(settings: Settings, seed: _Seed, tls: Files | None, cards: CardFiles, *, as_json: bool) -> None:
    """What a service and its tests need to know."""
    people = [{"national_id": one.national_id, "name": f"{one.given_name} {one.family_name}", "state": one.state} for one in seed.people]
    told = {
        "issuer": settings.issuer,
        "base_url": settings.base_url,
        "clients": [{"client_id": one.client_id, "profile": one.profile, "redirect_uris": one.redirect_uris} for one in seed.clients],
        "client_secret": DEV_SECRET,
        "client_jwk": seed.client_jwk,
        "people": people,
        "cards": {national_id: str(place) for national_id, place in cards.cards.items()},
        "control_url": f"{'https' if tls else 'http'}://{_HOST}:{settings.port}/control/v1",
        "authority": str(tls.authority) if tls else None,
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
        f"private key    {json.dumps(seed.client_jwk)}" if seed.client_jwk else f"secret         {DEV_SECRET}",
        *(f"person         {one['national_id']}  {one['name']}" for one in people),
        f"cards          {cards.authority.parent} (certificate and key of each person; --card puts one into the reader)",
        f"control API    {told['control_url']} (approvals, clock); Ctrl-C forgets everything",
        *(_how_to_reach(settings, tls) if tls else ()),
    ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _how_to_reach(settings: Settings, tls: Files) -> list[str]:
    names = " ".join(SANDBOX_HOSTS)
    return [
        f"hosts file     {_HOST} {names}",
        f"port           {settings.port}" + ("" if settings.port == 443 else " (the names are used without port: forward 443 to it)"),
        f"trust          {tls.authority}",
    ]
