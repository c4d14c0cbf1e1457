"""Clients that register themselves (RFC 7591, RFC 7592): what they may say of themselves, within what, and what they are told.

The checks are those of the configuration files. What concerns others (profile, establishment, exchanges, quirks) is never the
client's to say: it comes from the operator, through the initial access token.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from idp.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidRequest, UnapprovedSoftwareStatement
from idp.model import Client, InitialAccessToken, Profile
from idp.registration import RegistrationError, parse_client
from idp.registration.entry import Entry

#: What the operator alone says of a client.
_OPERATORS: Final = frozenset(
    {
        *("profile", "quirks", "disabled", "structure_name", "structure_finess", "resources", "serves_resources"),
        *("exchange_subject_clients", "exchange_subject_issuers"),
        *("sector_identifier", "authorization_details_types", "developers"),
    }
)
#: What a client may say of itself; every other member is ignored, as RFC 7591 §2 demands, unless it is the operator's.
MEMBERS: Final = tuple(name for name in Entry.model_fields if name not in _OPERATORS and name != "client_id")
#: What the answer holds and an update must not (RFC 7592 §2.2).
_OURS: Final = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a client may be registered for, and what the operator says of it."""

    scope: frozenset[str]
    grant_types: frozenset[str]
    operators: Mapping[str, Any]

    @classmethod
    def of_token(cls, token: InitialAccessToken) -> "Bounds":
        """Those that the token was made with."""
        operators = {"profile": token.profile, "structure_name": token.structure_name, "structure_finess": token.structure_finess}
        return cls(scope=token.scope, grant_types=frozenset(token.grant_types), operators=operators)

    @classmethod
    def of_client(cls, client: Client) -> "Bounds":
        """Those that the client was registered within; what the operator has said of it since stays."""
        return cls(
            scope=frozenset(client.registration_bounds.get("scope", ())),
            grant_types=frozenset(client.registration_bounds.get("grant_types", ())),
            operators={name: getattr(client, name) for name in _OPERATORS},
        )


def read_registration(document: Mapping[str, Any], client_id: str, bounds: Bounds) -> Client:
    """The client that a registration describes, without secret and token.

    Raises :class:`InvalidRedirectUri`, :class:`InvalidClientMetadata`, :class:`UnapprovedSoftwareStatement`, naming the member.
    """
    if "software_statement" in document:
        raise UnapprovedSoftwareStatement("software_statement: no issuer of software statements is trusted here; leave it out")
    if excess := _OPERATORS & document.keys():
        raise InvalidClientMetadata(f"{min(excess)}: is set by the operator of this provider, not by clients")
    given = {name: value for name, value in document.items() if name in MEMBERS and value is not None}
    _check_response_types(document.get("response_types"))
    given.setdefault("scope", " ".join(sorted(bounds.scope)))
    given.setdefault("client_name", _host(given.get("redirect_uris")))
    if bounds.operators.get("profile") is not Profile.FAPI2:
        # OpenID Connect Registration §2: RS256 where nothing is said.
        given.setdefault("id_token_signed_response_alg", "RS256")
    operators = dict(bounds.operators)
    if given.get("subject_type") == "pairwise" and operators.get("profile") is Profile.PSC:
        # Nobody but the operator sets a switch; who registers itself gets the subject that it asks for all the same.
        operators["quirks"] = {**operators.get("quirks", {}), "keycloak_subject": False}
    try:
        client = parse_client({**operators, **given, "client_id": client_id}, "")
    except RegistrationError as error:
        text = str(error).removeprefix(": ")
        raise (InvalidRedirectUri if text.startswith("redirect_uris") else InvalidClientMetadata)(text) from error
    if beyond := client.scope - bounds.scope:
        raise InvalidClientMetadata(f"scope: {min(beyond)[:60]!r} is beyond what this registration may have")
    if others := frozenset(client.grant_types) - bounds.grant_types:
        raise InvalidClientMetadata(f"grant_types: {min(others)[:60]!r} is beyond what this registration may have")
    return replace(client, registration_bounds={"scope": sorted(bounds.scope), "grant_types": sorted(bounds.grant_types)})


def check_update(document: Mapping[str, Any], client: Client) -> None:
    """What an update must and must not hold besides the members (RFC 7592 §2.2); raises :class:`InvalidRequest`."""
    if document.get("client_id") != client.client_id:
        raise InvalidRequest("client_id: must be that of the registration")
    for name in _OURS:
        if name in document:
            raise InvalidRequest(f"{name}: must not be part of an update")
    secret = document.get("client_secret")
    if secret is not None and (not isinstance(secret, str) or hashlib.sha256(secret.encode()).hexdigest() != client.client_secret_hash):
        raise InvalidRequest("client_secret: cannot be chosen; leave it out")


def _check_response_types(value: object) -> None:
    if value is not None and value != ["code"] and value != []:
        raise InvalidClientMetadata('response_types: must be ["code"]')


def _host(redirect_uris: object) -> str:
    """A name for the login page where the client gives none: the place it comes from."""
    first = redirect_uris[0] if isinstance(redirect_uris, list) and redirect_uris else ""
    try:
        return (urlsplit(first).hostname or "") if isinstance(first, str) else ""
    except ValueError:
        return ""


def registered_members(client: Client) -> dict[str, Any]:
    """What the client has said of itself, with the defaults that stand for what it has not (RFC 7591 §3.2.1)."""
    members = {name: _plain(name, getattr(client, name)) for name in MEMBERS}
    told = {name: value for name, value in members.items() if value not in (None, [], {})}
    return {**told, "response_types": ["code"] if "authorization_code" in client.grant_types else []}


def _plain(name: str, value: object) -> object:
    if name == "scope" and isinstance(value, frozenset):
        return " ".join(sorted(value))
    return list(value) if isinstance(value, tuple) else value


def new_client_id() -> str:
    """Random, and never mistaken for a person or for a client of the configuration files."""
    return f"dcr-{secrets.token_hex(12)}"


def new_token() -> tuple[str, str]:
    """A registration or initial access token (256 random bits), and the hash that is kept of it."""
    value = secrets.token_urlsafe(32)
    return value, hashlib.sha256(value.encode()).hexdigest()


def issued_at(client: Client) -> datetime:
    """When the client was registered."""
    if client.registered_at is None:
        raise AssertionError("only a client that registered itself is told")
    return client.registered_at
