"""Other providers whose tokens can be exchanged here: the interfaces of Pro Santé Connect's trust area take a token of PSC.

What such a token stands for is asked of its own provider, at every exchange (RFC 7662): it knows best what has ended. Shape of the file:
``subject_issuers: [{name, issuer, introspection_endpoint, client_id, client_secret_file, clients}]``; ``clients`` are the
clients of that provider whose tokens count.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import orjson
import yaml

from idp.errors import OperationError
from idp.outbound import Outbound

_MAX_LENGTH: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectIssuer:
    """One provider, and how we ask it."""

    name: str
    issuer: str
    introspection_endpoint: str
    client_id: str
    client_secret: str
    clients: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSubject:
    """Whom a live foreign token stands for, as its provider says."""

    national_id: str
    acr: str | None
    auth_time: int | None
    expires_at: int


class SubjectIssuers:
    """The providers of the file, by name; without one there are none."""

    def __init__(self, outbound: Outbound, issuers: Sequence[SubjectIssuer] = ()) -> None:
        self._outbound = outbound
        self._issuers = {one.name: one for one in issuers}

    def find(self, name: str) -> SubjectIssuer | None:
        """The provider that ``subject_issuer`` names."""
        return self._issuers.get(name)

    async def ask(self, issuer: SubjectIssuer, token: str) -> ForeignSubject | str:
        """Whom the token stands for, or why it does not count, for the operator's log; raises :class:`OperationError`."""
        if len(token) > _MAX_LENGTH:
            return "it is too long"
        credentials = f"{quote_plus(issuer.client_id)}:{quote_plus(issuer.client_secret)}".encode()
        form = {"token": token, "token_type_hint": "access_token"}
        authorization = f"Basic {base64.b64encode(credentials).decode()}"
        answer = await self._outbound.ask(issuer.introspection_endpoint, authorization=authorization, form=form)
        try:
            document = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return "its provider answered with something that is no JSON"
        return _judged(document, issuer) if isinstance(document, dict) else "its provider answered with no object"


def _judged(said: Mapping[str, Any], issuer: SubjectIssuer) -> ForeignSubject | str:
    """What its provider says, held against what the operator allows (ANS, guide «sécurisation transport» §8)."""
    faults = (
        (said.get("active") is not True, "its provider says that it is not active"),
        (said.get("iss") != issuer.issuer, "it is of another issuer"),
        (said.get("typ", "Bearer") != "Bearer", "it is no access token"),
        ((said.get("azp") or said.get("client_id")) not in issuer.clients, "it was issued to a client whose tokens do not count"),
        (not isinstance(said.get("exp"), int), "it has no end"),
    )
    fault = next((text for wrong, text in faults if wrong), None)
    if fault:
        return fault
    national_id = said.get("SubjectNameID") or said.get("preferred_username")
    if not isinstance(national_id, str):
        return "its provider names nobody"
    acr, auth_time = said.get("acr"), said.get("auth_time")
    return ForeignSubject(
        national_id=national_id,
        acr=acr if isinstance(acr, str) else None,
        auth_time=auth_time if isinstance(auth_time, int) else None,
        expires_at=said["exp"],
    )


def read_subject_issuers(path: Path | None) -> list[SubjectIssuer]:
    """Those of the file, none without one; raises :class:`OperationError` naming the file and what is wrong."""
    if path is None:
        return []
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        return [_read(entry, path.parent) for entry in document["subject_issuers"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise OperationError(f"reading the subject issuers ({error!r})", str(path), retry_helps=False) from error


def _read(entry: Mapping[str, Any], folder: Path) -> SubjectIssuer:
    endpoint = entry["introspection_endpoint"]
    if urlsplit(endpoint).scheme not in ("https", "http") or not urlsplit(endpoint).hostname:
        raise ValueError(f"introspection_endpoint {endpoint!r} is no address")
    return SubjectIssuer(
        name=str(entry["name"]),
        issuer=str(entry["issuer"]),
        introspection_endpoint=endpoint,
        client_id=str(entry["client_id"]),
        client_secret=(folder / entry["client_secret_file"]).read_text("utf-8").strip(),
        clients=frozenset(entry["clients"]),
    )
