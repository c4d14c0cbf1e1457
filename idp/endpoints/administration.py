"""The administration API: what a trusted service may ask about a person's sessions, end, and suspend.

Bearer access token of a client acting for itself (RFC 6749 §4.4), checked like any other; each operation needs its scope.
Operations that change something carry who asked (``health.actor.id``) and why into the audit log.
"""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator

from idp.authentication.credential_change import credential_change
from idp.authentication.limits import normalised_national_id
from idp.endpoints.access import require_access
from idp.errors import InsufficientScope
from idp.model import Account, AccountState, Cause, Delivery, DeliveryKind, DeliveryState, DeviceState, Initiator, Revocation, Session
from idp.provider import Provider, provider_of
from idp.sessions import user_agent
from vocabulary.audit import AuditAction, AuditValue, Outcome

#: How long the answer to an ``Idempotency-Key`` is given again.
ANSWER_MEMORY: Final = timedelta(hours=24)


class Refusal(BaseModel):
    """Why nothing was done, naming the member at fault."""

    detail: str


class AccessRefusal(BaseModel):
    """Why the token does not let in (RFC 6750 §3.1)."""

    error: str
    error_description: str


class InvalidMember(BaseModel):
    """Where a member is wrong, and why."""

    loc: list[str | int]
    msg: str


class InvalidMembers(BaseModel):
    """Every member that is wrong."""

    detail: list[InvalidMember]


#: What every operation may answer instead, as the description of the interface says it.
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": AccessRefusal | Refusal, "description": "the request is malformed"},
    401: {"model": AccessRefusal, "description": "no token, or none that lives"},
    403: {"model": AccessRefusal | Refusal, "description": "the token lacks the scope, or would give more than it has"},
    404: {"model": Refusal, "description": "nobody, or nothing, is known under this name"},
    409: {"model": Refusal, "description": "it does not fit what is there now"},
    412: {"model": Refusal, "description": "it is not what was read"},
    422: {"model": Refusal | InvalidMembers, "description": "a member is missing or wrong"},
}
#: The way in, for the description of the interface; who may do what is asked of each operation.
TOKEN: Final = HTTPBearer(scheme_name="token", description="an access token of a client acting for itself", auto_error=False)

router = APIRouter(prefix="/admin/v1", tags=["administration"], responses=REFUSALS, dependencies=[Security(TOKEN)])


@dataclass(frozen=True, slots=True)
class Actor:
    """The client that asks, and through which provider."""

    provider: Provider
    client_id: str
    source_ip: str
    user_agent: str
    #: What its token may do.
    scope: frozenset[str]

    def fields(self, account: Account | None, reason: str) -> dict[str, AuditValue | None]:
        """The audit fields of what it does to a person."""
        return {
            "user.id": account.national_id if account else None,
            "health.actor.id": self.client_id,
            "source.ip": self.source_ip,
            "user_agent.original": self.user_agent,
            "event.reason": reason,
        }


def with_scope(scope: str) -> Callable[[Request], Awaitable[Actor]]:
    """A dependency: a live token of a client acting for itself, with ``scope``; InvalidToken or InsufficientScope otherwise."""

    async def require(request: Request) -> Actor:
        provider = provider_of(request)
        access = await require_access(request)
        if access.account is not None or scope not in access.record.scope:
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise InsufficientScope(f"this operation needs a client's own token with the scope {scope}", headers=challenge)
        return Actor(provider, access.client.client_id, provider.sources(request), user_agent(request), access.record.scope)

    return require


class SessionSearch(BaseModel):
    """Whose sessions."""

    model_config = ConfigDict(extra="forbid")
    national_id: str


class FoundSession(BaseModel):
    """One live session, and the clients that got tokens by it."""

    id: str
    method: str
    acr: str
    auth_time: datetime
    last_used_at: datetime
    expires_at: datetime
    source_ip: str
    user_agent: str
    device_id: str | None
    clients: list[str]


class FoundNotice(BaseModel):
    """A service that is told that a session has ended: whether it has heard, and if not, why and when it is told again."""

    session_id: str
    client_id: str
    state: DeliveryState
    attempt_count: int
    fault: str
    next_attempt_at: datetime | None
    settled_at: datetime | None


class FoundSessions(BaseModel):
    """Live sessions; ``residual_seconds``: how long access tokens already issued may still be accepted offline; ``notices`` of a week."""

    sessions: list[FoundSession]
    residual_seconds: int
    notices: list[FoundNotice]


@router.post("/sessions/search")
async def search_sessions(body: SessionSearch, actor: Annotated[Actor, Depends(with_scope("sessions:read"))]) -> FoundSessions:
    """The live sessions of a person, by POST so that the identifier stays out of addresses and their logs."""
    store, now = actor.provider.store, actor.provider.clock()
    account = await account_of(actor.provider, body.national_id)
    sessions = await store.sessions.of_account(account.id, now)
    visits = await store.sessions.visits(account.id, now)
    residual = await store.revocations.residual(account.id, now)
    return FoundSessions(
        sessions=[
            FoundSession(
                id=session.id,
                method=session.method,
                acr=session.acr,
                auth_time=session.auth_time,
                last_used_at=session.last_used_at,
                expires_at=session.expires_at,
                source_ip=session.source_ip,
                user_agent=session.user_agent,
                device_id=session.device_id,
                clients=sorted({visit.client_id for visit in visits if visit.session_id == session.id}),
            )
            for session in sessions
        ],
        residual_seconds=_seconds(residual),
        notices=[
            _notice(told) for told in await store.deliveries.of_account(account.id, now) if told.kind is DeliveryKind.BACKCHANNEL_LOGOUT
        ],
    )


def _notice(told: Delivery) -> FoundNotice:
    return FoundNotice(
        session_id=told.session_id or "",
        client_id=told.recipient,
        state=told.state,
        attempt_count=told.attempt_count,
        fault=told.fault,
        next_attempt_at=told.due_at if told.state is DeliveryState.WAITING else None,
        settled_at=told.settled_at,
    )


class RevocationRequest(BaseModel):
    """A person or one session, with the reason and the caller's own reference (an incident number)."""

    model_config = ConfigDict(extra="forbid")
    national_id: str | None = None
    session_id: str | None = None
    reason: str = Field(min_length=1, max_length=500)
    reference: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _one_of_them(self) -> "RevocationRequest":
        if (self.national_id is None) == (self.session_id is None):
            raise ValueError("give either national_id or session_id")
        return self

    def digest(self) -> str:
        """What an ``Idempotency-Key`` may be used again for: this request exactly."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class RevocationAnswer(BaseModel):
    """What was ended, and what stays: until when access tokens checked offline may still be accepted, and how many grants of the person
    (each with its refresh token) live on in other sessions. Refresh tokens end with their session: none is good offline."""

    session_count: int
    grant_count: int
    residual_seconds: int
    valid_until: datetime | None = None
    remaining_grant_count: int = 0


class _KeptAnswer(BaseModel):
    request: str
    answer: RevocationAnswer


@router.post("/revocations")
async def revoke(
    body: RevocationRequest,
    actor: Annotated[Actor, Depends(with_scope("sessions:revoke"))],
    idempotency_key: Annotated[str, Header(min_length=1, max_length=200)],
) -> RevocationAnswer:
    """End a person's sessions and tokens, or one session's. The same ``Idempotency-Key`` gives the first answer again."""
    store, now = actor.provider.store, actor.provider.clock()
    key = f"revocation:{actor.client_id}:{idempotency_key}"
    kept = await store.answers.find(key, now)
    if kept is None:
        answer = _KeptAnswer(request=body.digest(), answer=await _revoke(actor, body))
        kept = await store.answers.keep(key, answer.model_dump_json().encode(), until=now + ANSWER_MEMORY, now=now)
    first = _KeptAnswer.model_validate_json(kept)
    if first.request != body.digest():
        raise HTTPException(422, "this Idempotency-Key was used for another request")
    return first.answer


async def _revoke(actor: Actor, body: RevocationRequest) -> RevocationAnswer:
    store, now = actor.provider.store, actor.provider.clock()
    if body.session_id is not None:
        session = await store.sessions.get(body.session_id, now)
        if session is None:
            raise HTTPException(404, "no such live session")
        account = await store.accounts.get(session.account_id)
        sessions: Sequence[Session] = [session]
        ended = await store.revocations.revoke_session(session.id, now, _by_administration(body.reason))
    else:
        account = await account_of(actor.provider, body.national_id or "")
        sessions, ended = await _end_all(actor.provider, account, body.reason)
    _record(actor, f"{body.reason} ({body.reference})" if body.reference else body.reason, account, sessions, ended)
    return RevocationAnswer(
        session_count=ended.session_count,
        grant_count=ended.grant_count,
        residual_seconds=_seconds(ended.residual),
        valid_until=now + ended.residual if ended.residual else None,
        remaining_grant_count=len(await store.revocations.live_grants(account.id, now)) if account else 0,
    )


def _by_administration(reason: str) -> Cause:
    return Cause(initiator=Initiator.ADMIN, reason=reason)


async def _end_all(provider: Provider, account: Account, reason: str) -> tuple[Sequence[Session], Revocation]:
    """End what a person has; returns the sessions as they were."""
    now = provider.clock()
    sessions = await provider.store.sessions.of_account(account.id, now)
    return sessions, await provider.store.revocations.revoke_account(account.id, now, _by_administration(reason))


def _record(actor: Actor, reason: str, account: Account | None, sessions: Sequence[Session], ended: Revocation) -> None:
    """One event per session; tokens without a session (it had ended before them) leave one of their own."""
    fields = {
        **actor.fields(account, reason),
        "health.revoked.count": ended.grant_count,
        "health.residual.seconds": _seconds(ended.residual),
    }
    for session in sessions:
        of_session = {
            "health.session.id": session.id,
            "health.device.id": session.device_id,
            "health.authentication.method": session.method,
        }
        actor.provider.audit.record(AuditAction.SESSION_REVOKED, Outcome.SUCCESS, fields | of_session)
    if not sessions and ended.grant_count:
        actor.provider.audit.record(AuditAction.TOKEN_REVOKED, Outcome.SUCCESS, fields)


class AccountChange(BaseModel):
    """Whose account, and why."""

    model_config = ConfigDict(extra="forbid")
    national_id: str
    reason: str = Field(min_length=1, max_length=500)


class AccountAnswer(BaseModel):
    """The account's state now."""

    state: AccountState


_Suspender = Annotated[Actor, Depends(with_scope("accounts:suspend"))]


@router.post("/accounts/suspend")
async def suspend(body: AccountChange, actor: _Suspender) -> AccountAnswer:
    """From now on the person gets no session, code or token, and those they have end: a restored account does not bring back
    what a thief may hold. Again changes nothing."""
    return await _change(actor, body, AccountState.SUSPENDED, AuditAction.ACCOUNT_SUSPENDED)


@router.post("/accounts/restore")
async def restore(body: AccountChange, actor: _Suspender) -> AccountAnswer:
    """The person may log in again."""
    return await _change(actor, body, AccountState.ACTIVE, AuditAction.ACCOUNT_RESTORED)


async def _change(actor: Actor, body: AccountChange, state: AccountState, action: AuditAction) -> AccountAnswer:
    account = await account_of(actor.provider, body.national_id)
    if account.state is not state:
        await actor.provider.store.accounts.put(replace(account, state=state))
        actor.provider.audit.record(action, Outcome.SUCCESS, actor.fields(account, body.reason))
        if state is AccountState.SUSPENDED:
            _record(actor, body.reason, account, *await _end_all(actor.provider, account, body.reason))
    return AccountAnswer(state=state)


class DeviceRemoval(BaseModel):
    """Why a phone may not answer any more."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500)


class DeviceAnswer(BaseModel):
    """The phone's state now."""

    state: DeviceState


@router.post("/devices/{device_id}/remove")
async def remove_device(device_id: str, body: DeviceRemoval, actor: _Suspender) -> DeviceAnswer:
    """A phone that is lost or was given away answers no more; its person needs a new activation code. Again changes nothing.

    Sessions that it let in go on: ending them is an operation of its own.
    """
    store, now = actor.provider.store, actor.provider.clock()
    device = await store.devices.get(device_id)
    if device is None:
        raise HTTPException(404, "no such device")
    if device.state is not DeviceState.REMOVED:
        account = await store.accounts.get(device.account_id)
        told = credential_change(device, "revoke", Initiator.ADMIN, body.reason, now)
        await asyncio.gather(store.devices.put(replace(device, state=DeviceState.REMOVED)), store.signals.put(told))
        fields = actor.fields(account, body.reason) | {"health.device.id": device.id}
        actor.provider.audit.record(AuditAction.DEVICE_REMOVED, Outcome.SUCCESS, fields)
    return DeviceAnswer(state=DeviceState.REMOVED)


async def account_of(provider: Provider, national_id: str) -> Account:
    """The person of this national identifier; 404 where there is none."""
    account = await provider.store.accounts.find_by_national_id(normalised_national_id(national_id))
    if account is None:
        raise HTTPException(404, "nobody has this national identifier")
    return account


def _seconds(duration: timedelta) -> int:
    return math.ceil(duration.total_seconds())
