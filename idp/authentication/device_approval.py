"""One question to a person's phones, «is it you who logs in to this service?», and what an answer makes of it.

No input or output here: the caller loads the approval, verifies the device's signature and PIN, stores the new state and
writes the audit event. One answer wins: the store refuses a second final state.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random, SystemRandom
from typing import Final

from idp.authentication.refusal import AuthenticationRefused
from idp.model import Approval, ApprovalKind, ApprovalState, Client, Interaction
from vocabulary.audit import AuditAction, Outcome

#: What each final state is called in the audit log.
FINAL_ACTIONS: Final[Mapping[ApprovalState, tuple[AuditAction, Outcome]]] = {
    ApprovalState.APPROVED: (AuditAction.DEVICE_APPROVAL_GRANTED, Outcome.SUCCESS),
    ApprovalState.DENIED: (AuditAction.DEVICE_APPROVAL_DENIED, Outcome.FAILURE),
    ApprovalState.REPORTED: (AuditAction.DEVICE_APPROVAL_REPORTED, Outcome.FAILURE),
    ApprovalState.MISMATCHED: (AuditAction.DEVICE_APPROVAL_MISMATCHED, Outcome.FAILURE),
    ApprovalState.EXPIRED: (AuditAction.DEVICE_APPROVAL_EXPIRED, Outcome.FAILURE),
}


class Decision(StrEnum):
    """What a person can answer."""

    APPROVE = "approve"
    DENY = "deny"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: address as the trusted proxy gave it, and the browser as it names itself."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the phone sent. ``choice`` is one of the three codes; only an approval needs it."""

    decision: Decision
    challenge: str
    choice: str = ""


def new_approval(
    interaction: Interaction,
    client: Client,
    account_id: str,
    origin: Origin,
    now: datetime,
    *,
    lifetime: timedelta,
    random: Random | None = None,
) -> Approval:
    """A fresh question, with a code of two digits to show in the browser and three choices for the phone.

    ``random`` is for tests; without it the system's generator is used.
    """
    code, choices = _code_among_three(random or SystemRandom())
    return Approval(
        id=secrets.token_urlsafe(16),
        account_id=account_id,
        interaction_id=interaction.id,
        challenge=secrets.token_urlsafe(32),
        code=code,
        choices=choices,
        client_name=client.client_name,
        structure_name=client.structure_name,
        source_ip=origin.ip,
        user_agent=origin.user_agent,
        requested_at=now,
        expires_at=now + lifetime,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceQuestion:
    """What a service asks a person by itself, and for how long."""

    lifetime: timedelta
    binding_message: str | None
    scope: frozenset[str]
    authorization_details: tuple[Mapping[str, object], ...] = ()
    #: By what means it is to be answered.
    method: str = "device"


def new_service_approval(client: Client, account_id: str, origin: Origin, now: datetime, question: ServiceQuestion) -> Approval:
    """A question that a service asks by itself: no browser shows a number, so the person compares the service's own message."""
    return Approval(
        id=secrets.token_urlsafe(16),
        account_id=account_id,
        interaction_id="",
        challenge=secrets.token_urlsafe(32),
        code="",
        choices=("", "", ""),
        client_name=client.client_name,
        structure_name=client.structure_name,
        source_ip=origin.ip,
        user_agent=origin.user_agent,
        requested_at=now,
        expires_at=now + question.lifetime,
        kind=ApprovalKind.SERVICE,
        method=question.method,
        binding_message=question.binding_message,
        client_id=client.client_id,
        authorization_details=question.authorization_details,
        scope=question.scope,
        client_registered_at=client.registered_at,
    )


def is_final(state: ApprovalState) -> bool:
    """Whether no answer can change this state any more."""
    return state in FINAL_ACTIONS


def state_at(approval: Approval, now: datetime) -> ApprovalState:
    """The state a person should see: a question without answer is expired once its time has passed."""
    if not is_final(approval.state) and now >= approval.expires_at:
        return ApprovalState.EXPIRED
    return approval.state


def answered(approval: Approval | None, answer: Answer, *, account_id: str, device_id: str, now: datetime) -> Approval:
    """The approval in the final state this answer leads to; nothing is stored here.

    Raises AuthenticationRefused: ``not_found`` (none, or another person's: the same answer), ``already_settled``,
    ``expired``, ``invalid_challenge``.
    """
    if approval is None or approval.account_id != account_id:
        raise AuthenticationRefused("not_found", "no such question for this device's owner", status=404)
    if is_final(approval.state):
        raise already_settled(approval)
    if now >= approval.expires_at:
        raise AuthenticationRefused("expired", "the question was answered too late", status=409)
    if not secrets.compare_digest(answer.challenge.encode(), approval.challenge.encode()):
        raise AuthenticationRefused("invalid_challenge", "the answer was made for another question")
    return replace(approval, state=_state_of(answer, approval), device_id=device_id)


def already_settled(approval: Approval) -> AuthenticationRefused:
    """The refusal of a second answer."""
    return AuthenticationRefused("already_settled", f"the question is {approval.state} already", status=409)


def _state_of(answer: Answer, approval: Approval) -> ApprovalState:
    if answer.decision is Decision.DENY:
        return ApprovalState.DENIED
    if answer.decision is Decision.REPORT:
        return ApprovalState.REPORTED
    right = approval.kind is ApprovalKind.SERVICE or secrets.compare_digest(answer.choice.encode(), approval.code.encode())
    return ApprovalState.APPROVED if right else ApprovalState.MISMATCHED


def _code_among_three(random: Random) -> tuple[str, tuple[str, str, str]]:
    """A code and three choices of which no two share a digit in the same place or are each other's mirror: a glance tells them apart."""
    chosen: list[str] = []
    while len(chosen) < 3:
        candidate = f"{random.randrange(10, 100)}"
        if all(candidate[0] != c[0] and candidate[1] != c[1] and candidate != c[::-1] for c in chosen):
            chosen.append(candidate)
    code = chosen[0]
    random.shuffle(chosen)
    return code, (chosen[0], chosen[1], chosen[2])
