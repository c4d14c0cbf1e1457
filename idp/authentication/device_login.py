"""The browser's side of device approval: ask a person's phones, follow the question, and end it once.

A person who does not exist, or who is suspended, gets the same page after the same work: a question is stored that nobody
can answer. Every outcome is in the audit log before the caller can answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from idp.audit import AuditLog
from idp.authentication.device_approval import FINAL_ACTIONS, Origin, is_final, new_approval, state_at
from idp.authentication.limits import admit, forgive, normalised_national_id, shadow_account_id
from idp.authentication.refusal import AuthenticationRefused
from idp.clock import Now
from idp.model import Account, AccountState, Approval, ApprovalKind, ApprovalState, Client, Interaction, Limits
from idp.model.quick import quick
from idp.store import Store
from vocabulary.audit import AuditAction, AuditValue, Outcome


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What every door of login shares: stores, log, clock, the sealed pepper, limits, and how long a question lives."""

    store: Store
    audit: AuditLog
    clock: Now
    pepper: bytes
    limits: Limits
    approval_lifetime: timedelta


async def ask(doors: Doors, interaction: Interaction, client: Client, typed_national_id: str, origin: Origin) -> Approval:
    """Put a new question to the phones of whoever was typed; an earlier question of the same interaction ends.

    Raises AuthenticationRefused ``too_many_attempts``.
    """
    now = doors.clock()
    national_id = normalised_national_id(typed_national_id)
    shadow_id = shadow_account_id(doors.pepper, national_id)
    try:
        await admit(doors.store.counters, doors.limits, shadow_id=shadow_id, ip=origin.ip, now=now)
    except AuthenticationRefused as refusal:
        fields = {**_origin_fields(origin), **_client_fields(client.client_id), "event.reason": refusal.detail}
        doors.audit.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, fields)
        raise
    await _end_earlier(doors, interaction, origin)
    account = await doors.store.accounts.find_by_national_id(national_id)
    able = account is not None and account.state is AccountState.ACTIVE
    account_id = account.id if account is not None and able else shadow_id
    approval = new_approval(interaction, client, account_id, origin, now, lifetime=doors.approval_lifetime)
    store = doors.store.interactions
    await store.put_approval(approval)
    # A card that was to be shown, or was, counts no more: the last choice does.
    await store.put(replace(interaction, approval_id=approval.id, card_ticket_hash=None, card_proof_hash=None))
    record_asked(doors, approval, account, client, able=able)
    return approval


async def look(doors: Doors, interaction: Interaction, origin: Origin) -> Approval | None:
    """The interaction's question as it stands; one whose time has passed is ended, once."""
    if interaction.approval_id is None:
        return None
    approval = await doors.store.interactions.get_approval(interaction.approval_id)
    if approval is None or approval.interaction_id != interaction.id:
        return None
    if not is_final(approval.state) and state_at(approval, doors.clock()) is ApprovalState.EXPIRED:
        return await end(doors, approval, ApprovalState.EXPIRED, origin, reason="nobody answered in time")
    return approval


async def end(
    doors: Doors, approval: Approval, state: ApprovalState, origin: Origin, *, reason: str = "", device_id: str | None = None
) -> Approval:
    """Store a final state and write what became of the question and of the login; when another answer won, return that one.

    ``origin`` is who ended it: the phone, or the browser that waited.
    """
    wanted = replace(approval, state=state, device_id=device_id)
    if not await doors.store.interactions.settle_approval(wanted):
        return await doors.store.interactions.get_approval(approval.id) or approval
    account = await doors.store.accounts.get(approval.account_id)
    if state is ApprovalState.APPROVED and approval.kind is ApprovalKind.SERVICE and account is not None:
        # No browser comes back to be let in: the answer itself is the success that forgets earlier failures.
        shadow_id = shadow_account_id(doors.pepper, account.national_id or account.id)
        await forgive(doors.store.counters, shadow_id=shadow_id, ip=approval.source_ip, now=doors.clock())
    client_fields = await _client_of(doors, approval)
    action, outcome = FINAL_ACTIONS[state]
    doors.audit.record(action, outcome, _fields(wanted, account, origin, reason) | client_fields)
    # Of someone unknown or suspended, the failure was written when they were typed.
    if outcome is Outcome.FAILURE and account is not None:
        browser = Origin(approval.source_ip, approval.user_agent)
        doors.audit.record(
            AuditAction.LOGIN_FAILED, outcome, _fields(wanted, account, browser, reason or f"approval {state}") | client_fields
        )
    return wanted


async def take_approved(doors: Doors, interaction: Interaction, approval: Approval, origin: Origin) -> Account | None:
    """The person an approved question proves, the first time it is asked; None afterwards, or if they were suspended since."""
    now = doors.clock()
    if approval.state is not ApprovalState.APPROVED or approval.interaction_id != interaction.id:
        return None
    account = await doors.store.accounts.get(approval.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        fields = _fields(approval, account, origin, "the account is suspended") | _client_fields(interaction.client_id)
        doors.audit.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, fields)
        return None
    if not await doors.store.counters.remember_once(f"approval:{approval.id}", until=interaction.expires_at, now=now, lasting=False):
        return None
    shadow_id = shadow_account_id(doors.pepper, account.national_id or account.id)
    await forgive(doors.store.counters, shadow_id=shadow_id, ip=origin.ip, now=now)
    return account


async def end_unanswered(doors: Doors) -> None:
    """End the questions whose time has passed and whose browser no longer looks, so that the log holds every outcome."""
    for approval in await doors.store.interactions.unanswered_approvals(doors.clock()):
        browser = Origin(approval.source_ip, approval.user_agent)
        await end(doors, approval, ApprovalState.EXPIRED, browser, reason="nobody answered in time")


async def give_up(doors: Doors, interaction: Interaction, origin: Origin, *, reason: str = "cancelled in the browser") -> None:
    """End whatever question waits, because the person cancelled in the browser, or chose another means."""
    approval = await look(doors, interaction, origin)
    if approval is not None and not is_final(approval.state):
        await end(doors, approval, ApprovalState.EXPIRED, origin, reason=reason)


async def _end_earlier(doors: Doors, interaction: Interaction, origin: Origin) -> None:
    earlier = await look(doors, interaction, origin)
    if earlier is not None and not is_final(earlier.state):
        await end(doors, earlier, ApprovalState.EXPIRED, origin, reason="asked again in the browser")


def record_asked(doors: Doors, approval: Approval, account: Account | None, client: Client, *, able: bool) -> None:
    """One line in every case. What was typed for an unknown person is not written: it may be a password in the wrong field."""
    browser = Origin(approval.source_ip, approval.user_agent)
    if able:
        doors.audit.record(
            AuditAction.DEVICE_APPROVAL_REQUESTED,
            Outcome.UNKNOWN,
            _fields(approval, account, browser, "") | _client_fields(client.client_id),
        )
        return
    reason = "nobody has this identifier" if account is None else "the account is suspended"
    doors.audit.record(
        AuditAction.LOGIN_FAILED, Outcome.FAILURE, _fields(approval, account, browser, reason) | _client_fields(client.client_id)
    )


async def _client_of(doors: Doors, approval: Approval) -> dict[str, AuditValue | None]:
    if approval.client_id is not None:
        return _client_fields(approval.client_id)
    interaction = await doors.store.interactions.get(approval.interaction_id, doors.clock())
    return _client_fields(interaction.client_id if interaction else None)


def _client_fields(client_id: str | None) -> dict[str, AuditValue | None]:
    return {"health.relying_party.id": client_id}


def _origin_fields(origin: Origin) -> dict[str, AuditValue | None]:
    return {"source.ip": origin.ip, "user_agent.original": origin.user_agent, "health.authentication.method": "device"}


def _fields(approval: Approval, account: Account | None, origin: Origin, reason: str) -> dict[str, AuditValue | None]:
    return {
        **_origin_fields(origin),
        "health.authentication.method": approval.method,
        "user.id": account.national_id if account else None,
        "health.approval.id": approval.id,
        "health.device.id": approval.device_id,
        "event.reason": reason,
    }


def device_fields(approval: Approval, account: Account, origin: Origin, reason: str = "") -> dict[str, AuditValue | None]:
    """The audit fields of what happens to a question on a phone."""
    return _fields(approval, account, origin, reason)


def seconds_left(approval: Approval, now: datetime) -> int:
    """Whole seconds in which the question can still be answered, 0 when it cannot."""
    return max(0, int((approval.expires_at - now).total_seconds()))
