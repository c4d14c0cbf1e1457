"""Clients written down as the file that would register them: what :func:`idp.registration.read_clients` reads back to the same clients.

Only what differs from a member's default is written, in the order of :class:`~idp.registration.entry.Entry`, so that the same clients
always give the same text. Secrets are not in it.
"""

from collections.abc import Sequence
from typing import Any

import yaml

from idp.model import Client
from idp.registration.entry import Entry, unsaid_signing_alg

_WIDTH = 140


def document_of(client: Client) -> dict[str, Any]:
    """The entry of one client."""
    written: dict[str, Any] = {}
    for name, field in Entry.model_fields.items():
        value = getattr(client, name)
        default = field.get_default(call_default_factory=True)
        if name == "id_token_signed_response_alg":
            default = unsaid_signing_alg(client.profile)
        if field.is_required() or value != default:
            written[name] = _plain(value)
    return written


def text_of(clients: Sequence[Client]) -> str:
    """The file of these clients, ordered by ``client_id``; those that registered themselves (RFC 7591) are not the operator's to write."""
    written = [client for client in clients if client.registered_at is None]
    entries = [document_of(client) for client in sorted(written, key=lambda client: client.client_id)]
    return yaml.safe_dump({"clients": entries}, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return str(value)  # an enumeration's member is a str too
    if hasattr(value, "items"):
        return {str(name): _plain(one) for name, one in value.items()}
    return value
