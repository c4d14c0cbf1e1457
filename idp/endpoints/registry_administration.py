"""The administration API, its second half: clients, people, keys, and what the audit log says; each operation needs its scope.

Secrets are told once, when they are made. A search of the audit log is itself in the audit log: who looks at whom leaves a trace.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Response, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from idp.audit import search
from idp.endpoints.administration import REFUSALS, TOKEN, Actor, account_of, with_scope
from idp.keys.signing_key import ALGORITHMS, SigningKey
from idp.model import AccountState, Client, DeviceState
from idp.registration import RegistrationError, apply_clients, make_secret, needs_secret, parse_client, record_change
from idp.registration.document import document_of
from idp.store.records import to_bytes
from vocabulary.audit import AuditAction, Outcome

router = APIRouter(prefix="/admin/v1", tags=["administration"], responses=REFUSALS, dependencies=[Security(TOKEN)])

#: Nobody gives a client more of the administration than they have themselves.
ADMINISTRATION_SCOPES: Final = frozenset(
    {
        *("sessions:read", "sessions:revoke", "accounts:read", "accounts:suspend"),
        *("clients:read", "clients:write", "keys:read", "keys:rotate", "audit:read"),
    }
)
#: Most events that one search gives.
_MOST_EVENTS: Final = 500


class FoundClient(BaseModel):
    """A client as the file that registers it would say; ``self_registered``: it did so itself (RFC 7591).

    ``version``: what a change may name in ``If-Match``, so that it is made to what was read and to nothing else.
    """

    version: str
    client: dict[str, Any]
    has_secret: bool
    self_registered: bool


class FoundClients(BaseModel):
    """Ordered by ``client_id``."""

    clients: list[FoundClient]


class AppliedClient(FoundClient):
    """``client_secret``: only where one was made by this very request."""

    client_secret: str | None = None


def _found(client: Client) -> FoundClient:
    has_secret = client.client_secret_hash is not None
    return FoundClient(
        version=version_of(client), client=document_of(client), has_secret=has_secret, self_registered=client.registered_at is not None
    )


def version_of(client: Client) -> str:
    """The same as long as nothing of the client changes, its secret included."""
    return hashlib.sha256(to_bytes(client)).hexdigest()[:32]


@router.get("/clients")
async def list_clients(actor: Annotated[Actor, Depends(with_scope("clients:read"))]) -> FoundClients:
    """Every relying party."""
    return FoundClients(clients=[_found(client) for client in await actor.provider.store.clients.all()])


_Writer = Annotated[Actor, Depends(with_scope("clients:write"))]
#: The version that was read (RFC 9110 §13.1.1); without it, a change is made to whatever is there.
_IfMatch = Annotated[str | None, Header(max_length=100)]
#: ``*`` (RFC 9110 §13.1.2): only a client that is not there yet is registered.
_IfNoneMatch = Annotated[Literal["*"] | None, Header()]


@router.get("/clients/{client_id}")
async def get_client(client_id: str, actor: Annotated[Actor, Depends(with_scope("clients:read"))], response: Response) -> FoundClient:
    """One relying party; ``ETag`` is its version."""
    found = _found(await find_client(actor, client_id))
    response.headers["etag"] = f'"{found.version}"'
    return found


@router.put("/clients/{client_id}")
async def put_client(
    client_id: str, entry: dict[str, Any], actor: _Writer, if_match: _IfMatch = None, if_none_match: _IfNoneMatch = None
) -> AppliedClient:
    """Register a client, or make it what ``entry`` says (as a file of clients would); 422 names the member at fault."""
    if entry.setdefault("client_id", client_id) != client_id:
        raise HTTPException(422, "client_id is not that of the address")
    try:
        client = parse_client(entry, client_id)
    except RegistrationError as error:
        raise HTTPException(422, str(error)) from error

    def check(present: Client | None) -> None:
        if if_none_match and present is not None:
            raise HTTPException(412, "a client of this client_id is there already")
        _check_version(present, if_match)
        _check_reach(actor, client, *([present] if present else []))

    provider = actor.provider
    fields = actor.fields(None, "")
    made = await apply_clients(provider.store.clients, provider.audit, [client], {}, actor=fields, check=check)
    return AppliedClient(**_found(await find_client(actor, client_id)).model_dump(), client_secret=made.get(client_id))


@router.post("/clients/{client_id}/secret")
async def rotate_secret(client_id: str, actor: _Writer, if_match: _IfMatch = None) -> AppliedClient:
    """A new secret; the old one is worth nothing from now on. Of two at once, one is refused: its secret would be worth nothing either."""
    before = await find_client(actor, client_id)
    if not needs_secret(before):
        raise HTTPException(409, f"this client proves itself by {before.token_endpoint_auth_method}, not by a secret")
    secret, secret_hash = make_secret()
    after = await _change(actor, before, replace(before, client_secret_hash=secret_hash), if_match)
    return AppliedClient(**_found(after).model_dump(), client_secret=secret)


@router.post("/clients/{client_id}/suspend")
async def suspend_client(client_id: str, actor: _Writer, if_match: _IfMatch = None) -> FoundClient:
    """Nobody logs in to it from now on, and its tokens are worth nothing here; again changes nothing."""
    before = await find_client(actor, client_id)
    return _found(await _change(actor, before, replace(before, disabled=True), if_match))


@router.post("/clients/{client_id}/restore")
async def restore_client(client_id: str, actor: _Writer, if_match: _IfMatch = None) -> FoundClient:
    """It is served again."""
    before = await find_client(actor, client_id)
    return _found(await _change(actor, before, replace(before, disabled=False), if_match))


async def _change(actor: Actor, before: Client, after: Client, if_match: str | None) -> Client:
    """Put one in the place of the other, audited; 409 when somebody else was faster."""
    _check_version(before, if_match)
    _check_reach(actor, before)
    if after != before:
        if not await actor.provider.store.clients.exchange(before, after):
            raise HTTPException(409, "the client was changed meanwhile: read it again")
        record_change(actor.provider.audit, before, after, actor.fields(None, ""))
    return after


def _check_version(present: Client | None, if_match: str | None) -> None:
    """412 unless the client is the one that was read."""
    if if_match is None or (if_match == "*" and present is not None):
        return
    if present is None or if_match.strip('"') != version_of(present):
        raise HTTPException(412, "the client is not the one that was read: read it again")


def _check_reach(actor: Actor, *clients: Client) -> None:
    """Whoever can write a client can act as it: 403 where that would be more of the administration than the token itself may do."""
    beyond = frozenset[str]().union(*(client.scope for client in clients)) & ADMINISTRATION_SCOPES - actor.scope
    if beyond:
        raise HTTPException(403, f"scope: {' '.join(sorted(beyond))} is of the administration, and your own token does not have it")


async def find_client(actor: Actor, client_id: str) -> Client:
    """The client; 404 where there is none."""
    client = await actor.provider.store.clients.get(client_id)
    if client is None:
        raise HTTPException(404, "no such client")
    return client


class PersonSearch(BaseModel):
    """Who is meant."""

    model_config = ConfigDict(extra="forbid")
    national_id: str


class FoundDevice(BaseModel):
    """A phone that may approve."""

    id: str
    name: str
    state: DeviceState
    enrolled_at: datetime
    last_used_at: datetime | None


class FoundPerson(BaseModel):
    """A person of the directory, with their phones."""

    given_name: str
    family_name: str
    state: AccountState
    devices: list[FoundDevice]


@router.post("/accounts/search")
async def find_person(body: PersonSearch, actor: Annotated[Actor, Depends(with_scope("accounts:read"))]) -> FoundPerson:
    """One person, by POST so that the identifier stays out of addresses and their logs."""
    account = await account_of(actor.provider, body.national_id)
    devices = await actor.provider.store.devices.of_account(account.id)
    return FoundPerson(
        given_name=account.given_name,
        family_name=account.family_name,
        state=account.state,
        devices=[
            FoundDevice(id=one.id, name=one.name, state=one.state, enrolled_at=one.enrolled_at, last_used_at=one.last_used_at)
            for one in devices
        ],
    )


class FoundKey(BaseModel):
    """A signing key with its life: since when it signs, when it leaves the JWK set."""

    kid: str
    alg: str
    created_at: datetime
    active_at: datetime
    removed_at: datetime | None


class FoundKeys(BaseModel):
    """Those that are published."""

    keys: list[FoundKey]


def _key(key: SigningKey) -> FoundKey:
    return FoundKey(kid=key.kid, alg=key.alg, created_at=key.created_at, active_at=key.active_at, removed_at=key.removed_at)


@router.get("/keys")
async def list_keys(actor: Annotated[Actor, Depends(with_scope("keys:read"))]) -> FoundKeys:
    """The signing keys; nothing of their secret part."""
    return FoundKeys(keys=[_key(key) for key in actor.provider.keys.keys])


class Rotation(BaseModel):
    """Which key, and how long before its first signature its successor is published."""

    model_config = ConfigDict(extra="forbid")
    alg: Literal["RS256", "ES256"]
    lead_hours: float = Field(default=24, ge=0, le=24 * 30, strict=True)


@router.post("/keys/rotate")
async def rotate_key(body: Rotation, actor: Annotated[Actor, Depends(with_scope("keys:rotate"))]) -> FoundKey:
    """Publish a successor that takes over later; the present key leaves the JWK set a day after that."""
    algorithm = next(alg for alg in ALGORITHMS if alg == body.alg)
    key = await actor.provider.keys.rotate(algorithm, lead=timedelta(hours=body.lead_hours))
    fields = actor.fields(None, f"{algorithm} key {key.kid}, signs from {key.active_at.isoformat(timespec='seconds')}")
    actor.provider.audit.record(AuditAction.KEY_ROTATED, Outcome.SUCCESS, fields)
    return _key(key)


class Withdrawal(BaseModel):
    """Why a key is published no more."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]


@router.post("/keys/{kid}/withdraw")
async def withdraw_key(kid: str, body: Withdrawal, actor: Annotated[Actor, Depends(with_scope("keys:rotate"))]) -> FoundKey:
    """A stolen key is published no more, at once; what it signed is worth nothing here. The answer is the key that signs in its place."""
    provider = actor.provider
    await provider.keys.load()
    if kid not in provider.keys.published():
        raise HTTPException(404, "no published key has this kid")
    successor = await provider.keys.withdraw(kid)
    provider.audit.record(AuditAction.KEY_WITHDRAWN, Outcome.SUCCESS, actor.fields(None, f"key {kid}: {body.reason}"))
    return _key(successor)


class AuditSearch(BaseModel):
    """Which events, newest first: of a time, an action, a person, a client, a request (``reference`` of an error page)."""

    model_config = ConfigDict(extra="forbid")
    from_at: AwareDatetime
    to_at: AwareDatetime | None = None
    action: AuditAction | None = None
    national_id: str | None = None
    client_id: str | None = None
    reference: str | None = None
    limit: int = Field(default=100, ge=1, le=_MOST_EVENTS, strict=True)

    def fields(self) -> Mapping[str, str]:
        """Members that an event must have, with these values."""
        wanted = {
            "event.action": self.action,
            "user.id": self.national_id,
            "health.relying_party.id": self.client_id,
            "trace.id": self.reference,
        }
        return {name: value for name, value in wanted.items() if value is not None}


class FoundEvents(BaseModel):
    """Newest first; ``complete``: there are no more between the two instants."""

    events: list[dict[str, Any]]
    complete: bool


@router.post("/audit/search")
async def search_audit(body: AuditSearch, actor: Annotated[Actor, Depends(with_scope("audit:read"))]) -> FoundEvents:
    """What the audit log says. The search is recorded, with whom it was about."""
    fields = actor.fields(None, f"audit search: {', '.join(body.fields()) or 'everything'} since {body.from_at.isoformat()}")
    if body.national_id is not None:
        fields["user.id"] = (await account_of(actor.provider, body.national_id)).national_id
    wanted = {**body.fields(), **({"user.id": str(fields["user.id"])} if body.national_id else {})}
    found = await asyncio.to_thread(search, actor.provider.audit.path, body.from_at, body.to_at, wanted, body.limit)
    actor.provider.audit.record(AuditAction.AUDIT_SEARCHED, Outcome.SUCCESS, fields)
    return FoundEvents(events=found.events, complete=found.complete)
