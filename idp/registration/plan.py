"""What a file of clients would change, before anything is changed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from idp.model import Client
from idp.registration.document import document_of

#: Members whose values say who somebody is, or are too long to be read.
_UNTOLD: Final = frozenset({"developers", "contacts", "jwks"})
#: Longest text of a change and of one value in it, in characters.
_LONGEST, _LONGEST_VALUE = 2_000, 200


class Kind(StrEnum):
    """What becomes of a client."""

    CREATED = "created"
    CHANGED = "changed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Change:
    """One client. ``members``: name of each member that differs, with its value before and after (None: not written)."""

    client: Client
    kind: Kind
    members: tuple[tuple[str, Any, Any], ...]


def plan(present: Sequence[Client], wanted: Sequence[Client], *, prune: bool) -> list[Change]:
    """The changes that make ``present`` into ``wanted``, by ``client_id``.

    A client that the file does not name stays as it is; with ``prune`` it is disabled. It is never deleted: what it did stays explained.
    One that registered itself (RFC 7591) is no file's to name.
    """
    known = {client.client_id: client for client in present}
    named = {client.client_id for client in wanted}
    unnamed = [client for client in present if client.client_id not in named and not client.disabled and client.registered_at is None]
    absent = [replace(client, disabled=True) for client in unnamed] if prune else []
    changes = [*_changes(known, wanted), *(Change(client, Kind.DISABLED, (("disabled", None, True),)) for client in absent)]
    return sorted(changes, key=lambda change: change.client.client_id)


def told_change(before: Client | None, after: Client) -> str:
    """The members that differ, with their values before and after, for the audit log; of people and keys only that they changed."""
    was, is_now = document_of(before) if before else {}, document_of(after)
    names = [name for name in dict.fromkeys((*is_now, *was)) if was.get(name) != is_now.get(name)]
    told = [name if name in _UNTOLD else f"{name}: {_short(was.get(name))} → {_short(is_now.get(name))}" for name in names]
    if before is not None and before.client_secret_hash not in (None, after.client_secret_hash):
        told.append("a new secret" if after.client_secret_hash else "no secret any more")
    kind = "registered" if before is None else "changed"
    return f"{kind}: {'; '.join(told)}"[:_LONGEST]


def _short(value: object) -> str:
    text = "–" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _changes(known: dict[str, Client], wanted: Sequence[Client]) -> Iterator[Change]:
    for client in wanted:
        before = document_of(known[client.client_id]) if client.client_id in known else {}
        after = document_of(client)
        names = dict.fromkeys((*after, *before))
        members = tuple((name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name))
        if members:
            yield Change(client, Kind.CHANGED if before else Kind.CREATED, members)
