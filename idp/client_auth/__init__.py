"""Client authentication at every back-channel endpoint (RFC 6749 §2.3, RFC 7523 §2.2).

Owns the methods and the one way to use them: :func:`authenticate` finds the method a request speaks, holds the
client to the method it registered, counts failures and writes them to the audit log. Does not own clients
(:mod:`idp.store`). Start with :data:`METHODS`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from idp.audit import AuditLog
from idp.client_auth import client_secret_basic, client_secret_post, none, private_key_jwt, self_signed_tls_client_auth, tls_client_auth
from idp.client_auth.presented import Expectation, Presented
from idp.client_keys import ClientKeys
from idp.errors import AUTHENTICATION_FAILED, InvalidClient, OAuthError, TooManyAttempts
from idp.http import counted_network
from idp.model import Client, Limits
from idp.store import Store
from idp.tokens.certificate import Certificate
from vocabulary.audit import AuditAction, AuditValue, Outcome


class Method(Protocol):
    """A module of this folder."""

    METHOD: str

    def verify(self, client: Client, presented: Presented, expectation: Expectation) -> None:
        """Raise :class:`InvalidClient` unless it proves to be ``client``."""
        ...


class Presenting(Method, Protocol):
    """A method that shows in the request itself."""

    def present(self, authorization: str, form: Mapping[str, str]) -> Presented | None:
        """What the request presents in this method's way; None when it does not."""
        ...


#: How the identifier of a client is written (:mod:`idp.registration`): what is not is neither counted nor logged.
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_SHOWN: Final[tuple[Presenting, ...]] = (client_secret_basic, private_key_jwt, client_secret_post)
#: Methods whose request only names the client: the proof lies in the connection, or there is none. The registration tells which.
_NAMED: Final[tuple[Method, ...]] = (tls_client_auth, self_signed_tls_client_auth, none)
#: Methods that need a proxy which hands certificates on.
CERTIFICATE_METHODS: Final = frozenset({tls_client_auth.METHOD, self_signed_tls_client_auth.METHOD})
#: In the order in which a request is looked at; ``none`` is what is left.
METHODS: Final[tuple[Method, ...]] = (*_SHOWN, *_NAMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Everything :meth:`authenticate` needs, put together once."""

    store: Store
    keys: ClientKeys
    audit: AuditLog
    limits: Limits
    issuer: str
    #: What a client assertion may name as audience under the ``legacy`` switch.
    endpoints: frozenset[str] = field(default_factory=frozenset)

    async def authenticate(
        self, authorization: str, form: Mapping[str, str], *, source_ip: str, now: datetime, certificate: Certificate | None = None
    ) -> Client:
        """The client that proved itself; raises :class:`InvalidClient` or :class:`TooManyAttempts`, audited."""
        presented: Presented | None = None
        try:
            method, named = _presented(authorization, form)
            if not _CLIENT_ID.fullmatch(named.client_id):
                raise InvalidClient(AUTHENTICATION_FAILED, detail="the client_id is not written as one")
            presented = named
            counter = f"client-failure:{presented.client_id}:{counted_network(source_ip)}"
            if await self.store.counters.peek(counter, within=self.limits.window, now=now) >= self.limits.client_failure_count:
                wait_seconds = int(self.limits.window.total_seconds())
                raise TooManyAttempts(
                    "too many failed attempts by this client: wait as long as Retry-After says", headers={"Retry-After": str(wait_seconds)}
                )
            try:
                client = await self._verified(method, presented, now, certificate)
            except InvalidClient:
                await self.store.counters.count(counter, within=self.limits.window, now=now)
                raise
        except OAuthError as error:
            self._record_refusal(error, presented.client_id if presented else None, source_ip)
            if isinstance(error, InvalidClient) and authorization.lower().startswith("basic"):
                error.headers["WWW-Authenticate"] = 'Basic realm="veilleur", charset="UTF-8"'
            raise
        return client

    async def _verified(self, method: Method, presented: Presented, now: datetime, certificate: Certificate | None) -> Client:
        client = await self.store.clients.get(presented.client_id)
        # One answer for an unknown client, a wrong secret and a wrong method: the difference is for the operator.
        if client is None or client.disabled:
            raise InvalidClient(AUTHENTICATION_FAILED, detail="unknown or disabled client")
        if method is none:
            method = next((each for each in _NAMED if client.token_endpoint_auth_method == each.METHOD), method)
        if client.token_endpoint_auth_method != method.METHOD:
            raise InvalidClient(AUTHENTICATION_FAILED, detail=f"registered for {client.token_endpoint_auth_method}, not {method.METHOD}")
        client = await self.keys.of(client, presented.proof if method is private_key_jwt else None)
        expectation = Expectation(issuer=self.issuer, endpoints=self.endpoints, now=now, certificate=certificate)
        method.verify(client, presented, expectation)
        if presented.assertion_id is not None:
            key = f"assertion:{client.client_id}:{presented.assertion_id.jti}"
            if not await self.store.counters.remember_once(key, until=presented.assertion_id.expires_at, now=now):
                raise InvalidClient(AUTHENTICATION_FAILED, detail="the assertion was used before (jti)")
        return client

    def _record_refusal(self, error: OAuthError, client_id: str | None, source_ip: str) -> None:
        fields: dict[str, AuditValue | None] = {
            "event.reason": error.detail or error.description,
            "health.relying_party.id": client_id,
            "source.ip": source_ip,
        }
        self.audit.record(AuditAction.CLIENT_REFUSED, Outcome.FAILURE, fields)


def _presented(authorization: str, form: Mapping[str, str]) -> tuple[Method, Presented]:
    """The one method the request speaks; two at once are refused (RFC 6749 §2.3)."""
    found = [(method, presented) for method in _SHOWN if (presented := method.present(authorization, form)) is not None]
    if len(found) > 1:
        raise InvalidClient("more than one client authentication method is used: use the registered one alone")
    if not found:
        presented = none.present(authorization, form)
        if presented is None:
            raise InvalidClient("client authentication is missing: send the credentials of the registered token_endpoint_auth_method")
        return none, presented
    method, presented = found[0]
    named = form.get("client_id")
    if named is not None and named != presented.client_id:
        raise InvalidClient("client_id differs from the client that authenticates: send the same one, or none")
    return method, presented
