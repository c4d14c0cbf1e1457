"""``idp doctor``: what is wrong with the installation, and what to do."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from idp.cli.context import JsonOption, faults
from idp.settings import load

_MARKS = {"well": "✓", "warning": "△", "fault": "✗"}


def doctor(
    online: Annotated[bool, typer.Option("--online", help="Also ask the provider for its metadata at its own address.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine the installation without changing anything; exit status 1 when there is a fault. The whole audit log is verified."""
    from idp.doctor import CardFiles, Installation, State, examine, reach
    from idp.endpoints.discovery import PATHS
    from idp.keys.security_module import signing_token

    now = datetime.now(UTC)
    with faults():
        settings = load()
    where = Installation(
        folder=settings.state,
        seal_key=settings.seal_key,
        issuer=settings.issuer,
        trusted_proxies=settings.trusted_proxies,
        development=settings.development,
        token=signing_token(settings.pkcs11_module, settings.pkcs11_label, settings.pkcs11_pin_file),
        cards=CardFiles(
            authorities=settings.card_authorities_file, revocations=settings.card_revocations_file, identifier=settings.card_identifier
        )
        if settings.card_authorities_file
        else None,
    )
    found = list(examine(where, now))
    if online:
        found.append(asyncio.run(reach(settings.issuer, PATHS[settings.discovery_paths][0], now)))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            typer.echo(f"{_MARKS[one.state]} {one.part}: {one.text}")
    if any(one.state is State.FAULT for one in found):
        raise typer.Exit(1)
