"""The control API: what tests do instead of a person and a phone. It lets anyone in, so it exists in development only.

Include :data:`router` only where it is wanted; should it be included elsewhere, each request still answers 404.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from idp.authentication.device_approval import already_settled, is_final
from idp.authentication.device_login import end
from idp.authentication.enrolment import new_enrolment
from idp.authentication.limits import normalised_national_id
from idp.clock import ClockError
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.spoiled import Fault
from idp.model import Account, Approval, ApprovalState
from idp.provider import Provider, provider_of


def _open_provider(request: Request) -> Provider:
    provider = provider_of(request)
    if not (provider.development and provider.control_api):
        raise HTTPException(404)
    return provider


_Provider = Annotated[Provider, Depends(_open_provider)]

router = APIRouter(prefix="/control/v1", tags=["control"])

#: A year: what lives longer than that is not worth waiting for in a test.
_LONGEST_JUMP_SECONDS: Final = 366 * 86_400


class ClockChange(BaseModel):
    """An instant to jump to, a number of seconds to jump by, or ``follow: wall``."""

    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = None
    by_seconds: float | None = Field(None, gt=0, le=_LONGEST_JUMP_SECONDS, strict=True)
    follow: Literal["wall"] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ClockChange":
        if sum(member is not None for member in (self.at, self.by_seconds, self.follow)) != 1:
            raise ValueError("give one of at (RFC 3339), by_seconds and follow")
        return self


class ClockReading(BaseModel):
    """The provider's clock."""

    now: datetime


@router.put("/clock")
async def set_clock(change: ClockChange, provider: _Provider) -> ClockReading:
    """Jump forward, or follow the wall again; 409 when that would go back."""
    try:
        now = provider.clock.follow_wall() if change.follow else provider.clock.set(_target(change, provider.clock()))
    except ClockError as error:
        raise HTTPException(409, str(error)) from error
    return ClockReading(now=now)


@router.get("/clock")
async def read_clock(provider: _Provider) -> ClockReading:
    """The time that the provider goes by."""
    return ClockReading(now=provider.clock())


def _target(change: ClockChange, now: datetime) -> datetime:
    return change.at or now + timedelta(seconds=change.by_seconds or 0)


class EnrolmentRequest(BaseModel):
    """Whose phone is to be enrolled."""

    model_config = ConfigDict(extra="forbid")
    national_id: str


class EnrolmentAnswer(BaseModel):
    """A right to enrol one phone; ``url`` opens the phone application on it."""

    activation_code: str
    url: str
    expires_at: datetime


@router.post("/enrolments", status_code=201)
async def create_enrolment(body: EnrolmentRequest, provider: _Provider) -> EnrolmentAnswer:
    """An activation code for a known person."""
    account = await _account(provider, body.national_id)
    code, enrolment = new_enrolment(account.id, provider.clock(), provider.lifetimes.enrolment)
    await provider.store.devices.grant_enrolment(enrolment)
    return EnrolmentAnswer(activation_code=code, url=f"{provider.base_url}/phone/enrol?code={code}", expires_at=enrolment.expires_at)


class PendingApproval(BaseModel):
    """A question that waits, with the code a person would read in the browser."""

    id: str
    code: str
    choices: list[str]
    state: ApprovalState
    client_name: str
    source_ip: str
    requested_at: datetime
    expires_at: datetime


class PendingApprovals(BaseModel):
    """Oldest first."""

    approvals: list[PendingApproval]


@router.get("/approvals")
async def pending(national_id: Annotated[str, Query()], provider: _Provider) -> PendingApprovals:
    """The questions that wait for a person."""
    account = await _account(provider, national_id)
    found = await provider.store.interactions.pending_approvals(account.id, provider.clock())
    return PendingApprovals(approvals=[_shown(approval) for approval in found])


class ControlOutcome(StrEnum):
    """How a question may be made to end."""

    APPROVE = "approve"
    DENY = "deny"
    REPORT = "report"
    WRONG_CODE = "wrong_code"
    EXPIRE = "expire"


_STATES = {
    ControlOutcome.APPROVE: ApprovalState.APPROVED,
    ControlOutcome.DENY: ApprovalState.DENIED,
    ControlOutcome.REPORT: ApprovalState.REPORTED,
    ControlOutcome.WRONG_CODE: ApprovalState.MISMATCHED,
    ControlOutcome.EXPIRE: ApprovalState.EXPIRED,
}


class OutcomeRequest(BaseModel):
    """What becomes of a question."""

    model_config = ConfigDict(extra="forbid")
    outcome: ControlOutcome


class OutcomeAnswer(BaseModel):
    """The final state."""

    state: ApprovalState


@router.post("/approvals/{approval_id}")
async def settle(approval_id: str, body: OutcomeRequest, request: Request, provider: _Provider) -> OutcomeAnswer:
    """End a question as a phone would have, without one; the audit log says that it was done here."""
    approval = await provider.store.interactions.get_approval(approval_id)
    if approval is None:
        raise HTTPException(404, "no such approval")
    wanted = _STATES[body.outcome]
    late = provider.clock() >= approval.expires_at and wanted is not ApprovalState.EXPIRED
    if is_final(approval.state) or late:
        raise HTTPException(409, already_settled(approval).detail if not late else "the question has expired")
    settled = await end(doors_of(provider), approval, wanted, origin_of(provider, request), reason="by the control API")
    if settled.state is not wanted:
        raise HTTPException(409, already_settled(settled).detail)
    return OutcomeAnswer(state=settled.state)


class FaultRequest(BaseModel):
    """What is to be wrong with the answers to a client from now on; null: nothing any more."""

    model_config = ConfigDict(extra="forbid")
    fault: Fault | None


@router.put("/clients/{client_id}/fault", status_code=204)
async def set_fault(client_id: str, body: FaultRequest, provider: _Provider) -> None:
    """Give a client answers that it must refuse, to see that it does."""
    if await provider.store.clients.get(client_id) is None:
        raise HTTPException(404, "no such client")
    if body.fault is None:
        provider.spoiled.pop(client_id, None)
    else:
        provider.spoiled[client_id] = body.fault


async def _account(provider: Provider, national_id: str) -> Account:
    account = await provider.store.accounts.find_by_national_id(normalised_national_id(national_id))
    if account is None:
        raise HTTPException(404, f"nobody has the national identifier {national_id!r}")
    return account


def _shown(approval: Approval) -> PendingApproval:
    return PendingApproval(
        id=approval.id,
        code=approval.code,
        choices=list(approval.choices),
        state=approval.state,
        client_name=approval.client_name,
        source_ip=approval.source_ip,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
    )
