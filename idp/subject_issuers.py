"""Other providers whose tokens can be exchanged here: the interfaces of Pro Santé Connect's trust area take a token of PSC.

What such a token stands for is asked of its own provider, at every exchange (RFC 7662): it knows best what has ended. Shape of the file:
``subject_issuers: [{name, issuer, introspection_endpoint, client_id, clients, …}]``; ``clients`` are the clients of that provider
whose tokens count. We prove ourselves there by ``client_secret_file``, or, as its trust area demands, by ``client_certificate_file`` and
``client_key_file`` (PEM; RFC 8705 §2). ``authority_file`` (PEM) replaces the authorities of the system, where the provider's is another.
"""

import base64
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import orjson

from idp.errors import OperationError
from idp.outbound import Outbound
from idp.yaml_file import read_yaml

_MAX_LENGTH: Final = 8192
#: The year 10000, in seconds.
_END_OF_TIME: Final = 253_402_300_800


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectIssuer:
    """One provider, and how we ask it."""

    name: str
    issuer: str
    introspection_endpoint: str
    client_id: str
    clients: frozenset[str]
    #: One of the two: what we say in the form's header, or what we show on the connection.
    client_secret: str | None = None
    tls: ssl.SSLContext | None = None


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
        form, authorization = {"token": token, "token_type_hint": "access_token"}, None
        if issuer.client_secret is None:
            form["client_id"] = issuer.client_id
        else:
            credentials = f"{quote_plus(issuer.client_id)}:{quote_plus(issuer.client_secret)}".encode()
            authorization = f"Basic {base64.b64encode(credentials).decode()}"
        answer = await self._outbound.ask(issuer.introspection_endpoint, form=form, authorization=authorization, tls=issuer.tls)
        try:
            document = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return "its provider answered with something that is no JSON"
        return _judged(document, issuer) if isinstance(document, dict) else "its provider answered with no object"


def _judged(said: Mapping[str, Any], issuer: SubjectIssuer) -> ForeignSubject | str:
    """What its provider says, held against what the operator allows (ANS, guide «sécurisation transport» §8)."""
    client_id = said.get("azp") or said.get("client_id")
    faults = (
        (said.get("active") is not True, "its provider says that it is not active"),
        (said.get("iss") != issuer.issuer, "it is of another issuer"),
        (said.get("typ", "Bearer") != "Bearer", "it is no access token"),
        (not isinstance(client_id, str) or client_id not in issuer.clients, "it was issued to a client whose tokens do not count"),
        (not _is_instant(said.get("exp")), "it has no end"),
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
        auth_time=auth_time if _is_instant(auth_time) else None,
        expires_at=said["exp"],
    )


def _is_instant(value: object) -> bool:
    """Whole seconds of a time that a calendar has."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def read_subject_issuers(path: Path | None) -> list[SubjectIssuer]:
    """Those of the file, none without one; raises :class:`OperationError` naming the file and what is wrong."""
    if path is None:
        return []
    try:
        document = read_yaml(path)
        return [_read(entry, path.parent) for entry in document["subject_issuers"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise OperationError(f"reading the subject issuers ({error!r})", str(path), retry_helps=False) from error


def _read(entry: Mapping[str, Any], folder: Path) -> SubjectIssuer:
    endpoint = str(entry["introspection_endpoint"])
    if urlsplit(endpoint).scheme not in ("https", "http") or not urlsplit(endpoint).hostname:
        raise ValueError(f"introspection_endpoint {endpoint!r} is no address")
    secret, certificate = entry.get("client_secret_file"), entry.get("client_certificate_file")
    if (secret is None) == (certificate is None):
        raise ValueError("exactly one of client_secret_file and client_certificate_file must be there")
    return SubjectIssuer(
        name=str(entry["name"]),
        issuer=str(entry["issuer"]),
        introspection_endpoint=endpoint,
        client_id=str(entry["client_id"]),
        clients=frozenset(entry["clients"]),
        client_secret=(folder / secret).read_text("utf-8").strip() if secret else None,
        tls=_tls(entry, folder),
    )


def _tls(entry: Mapping[str, Any], folder: Path) -> ssl.SSLContext | None:
    """None where the authorities of the system and no certificate will do."""
    certificate, authority = entry.get("client_certificate_file"), entry.get("authority_file")
    if certificate is None and authority is None:
        return None
    context = ssl.create_default_context(cafile=folder / authority if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        # A key under a pass phrase would make the library ask for it on the terminal: an empty one makes it fail.
        context.load_cert_chain(folder / certificate, folder / entry["client_key_file"], password="")
    return context
