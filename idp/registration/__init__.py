"""Relying parties read from a file: YAML with the member names of RFC 7591, each checked before anything is stored.

Shape: ``clients: [{client_id, client_name, profile, redirect_uris, …}]``. Secrets are never in the file: they are
made here, shown once, and kept as SHA-256.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from idp.audit import AuditLog
from idp.model import Client
from idp.registration.entry import Entry
from idp.registration.plan import told_change
from idp.store import ClientStore
from idp.yaml_file import parse_yaml, read_yaml
from vocabulary.audit import AuditAction, AuditValue, Outcome

_SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")

#: Who changes clients by a command on this machine.
BY_COMMAND_LINE: Final[Mapping[str, AuditValue | None]] = {"health.actor.id": "cli"}


class RegistrationError(ValueError):
    """The file cannot be used; the text names file, client and member."""


def read_clients(path: Path) -> list[Client]:
    """The clients a file describes, without secrets; raises :class:`RegistrationError`, and returns nothing of a file with a fault."""
    try:
        document = read_yaml(path)
    except (OSError, ValueError) as error:
        raise RegistrationError(f"{path}: cannot be read: {error}") from error
    entries = document.get("clients") if isinstance(document, dict) else None
    if not isinstance(entries, list) or set(document) != {"clients"}:
        raise RegistrationError(f"{path}: the document must be a mapping with the one member 'clients', a list")
    clients: dict[str, Client] = {}
    for number, entry in enumerate(entries, start=1):
        client = parse_client(entry, f"{path}: client {number}")
        if client.client_id in clients:
            raise RegistrationError(f"{path}: client {number}: client_id {client.client_id!r} is there twice")
        clients[client.client_id] = client
    return list(clients.values())


def read_entry(text: str, place: str) -> Client:
    """One client from the text of its members, as a person typed it; raises :class:`RegistrationError`, beginning with ``place``.

    Aliases are refused: few of them make a document that no memory holds.
    """
    try:
        entry = parse_yaml(text, aliases=False)
    except ValueError as error:
        raise RegistrationError(f"{place}: cannot be read: {error}") from error
    if not isinstance(entry, dict):
        raise RegistrationError(f"{place}: must be the members of one client, such as 'client_id: …'")
    return parse_client(entry, place)


def parse_client(entry: object, place: str) -> Client:
    """One entry; ``place`` begins the message of what is wrong with it."""
    try:
        return Entry.model_validate(entry).client()
    except ValidationError as error:
        fault = error.errors()[0]
        member = ".".join(str(part) for part in fault["loc"])
        raise RegistrationError(f"{place}: {member}: {fault['msg']}") from error
    except ValueError as error:
        raise RegistrationError(f"{place}: {error}") from error


def needs_secret(client: Client) -> bool:
    """Whether this client proves itself by a secret of ours."""
    return client.token_endpoint_auth_method in _SECRET_METHODS


def make_secret() -> tuple[str, str]:
    """A new client secret (256 random bits) and the hash that is kept of it."""
    value = secrets.token_urlsafe(32)
    return value, hash_client_secret(value)


def hash_client_secret(value: str) -> str:
    """SHA-256 in hex: a generated secret cannot be guessed, so a slow hash would only cost."""
    return hashlib.sha256(value.encode()).hexdigest()


#: Called with what is stored before it is changed; raises to refuse.
Check = Callable[[Client | None], None]


async def apply_clients(
    store: ClientStore,
    audit: AuditLog,
    clients: Sequence[Client],
    known: Mapping[str, str],
    *,
    actor: Mapping[str, AuditValue | None] = BY_COMMAND_LINE,
    check: Check = lambda _present: None,
) -> dict[str, str]:
    """Store the clients; returns the secrets that were made. ``known``: secrets given beforehand; one already stored keeps its value.

    ``actor``: audit fields of who asked. Each client is changed from the state that ``check`` saw, or looked at again.
    """
    made: dict[str, str] = {}
    for client in clients:
        stored = False
        while not stored:
            present = await store.get(client.client_id)
            check(present)
            wanted, secret = _joined(present, client, known.get(client.client_id))
            stored = wanted == present or await store.exchange(present, wanted)
        if secret is not None:
            made[client.client_id] = secret
        if wanted != present:
            record_change(audit, present, wanted, actor)
    return made


def _joined(present: Client | None, client: Client, known: str | None) -> tuple[Client, str | None]:
    """What is to be stored, and the secret that had to be made for it."""
    secret_hash = made = None
    if needs_secret(client):
        secret_hash = present.client_secret_hash if present else None
        if known is not None:
            secret_hash = hash_client_secret(known)
        elif secret_hash is None:
            made, secret_hash = make_secret()
    client = replace(client, client_secret_hash=secret_hash)
    if present is not None:
        # One that registered itself goes on managing its registration.
        kept = {name: getattr(present, name) for name in ("registration_token_hash", "registration_bounds", "registered_at")}
        client = replace(client, **kept)
    return client, made


def record_change(audit: AuditLog, before: Client | None, after: Client, actor: Mapping[str, AuditValue | None]) -> None:
    """One event: which members changed, and from what to what."""
    fields = {**actor, "health.relying_party.id": after.client_id, "event.reason": told_change(before, after)}
    audit.record(AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, fields)
