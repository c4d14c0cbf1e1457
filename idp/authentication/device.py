"""The phone's side of device approval: enrol once, prove each request, list what waits, answer it."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from idp.authentication.credential_change import credential_change
from idp.authentication.device_approval import Answer, Decision, Origin, already_settled, answered
from idp.authentication.device_login import Doors, device_fields, end
from idp.authentication.device_request import JTI_MEMORY, read_signed_request, verify_signed_request
from idp.authentication.enrolment import activation_code_hash, device_name, device_public_jwk
from idp.authentication.limits import admit_address, count_failure, shadow_account_id
from idp.authentication.pin import is_pin, is_right_pin, pin_mac
from idp.authentication.refusal import AuthenticationRefused
from idp.model import Account, AccountState, Approval, ApprovalState, Device, DeviceState, Initiator
from vocabulary.audit import AuditAction, Outcome


@dataclass(frozen=True, slots=True)
class SignedCall:
    """One HTTP request as it came: ``url`` is built from the provider's own address, never from the Host header."""

    method: str
    url: str
    authorization: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """A proven phone and whose it is."""

    device: Device
    account: Account


async def enrol(doors: Doors, document: Mapping[str, object], origin: Origin) -> Device:
    """Register a phone with an activation code, which is spent by the first well-formed request.

    Shape of ``document``: activation_code, name, public_jwk {kty, crv, x, y}, pin (four digits).
    Raises AuthenticationRefused ``invalid_*`` naming the member, ``invalid_activation_code``, ``too_many_attempts``.
    """
    now = doors.clock()
    await admit_address(doors.store.counters, doors.limits, ip=origin.ip, now=now)
    name = device_name(document.get("name"))
    public_jwk = device_public_jwk(document.get("public_jwk"))
    pin, code = document.get("pin"), document.get("activation_code")
    if not isinstance(pin, str) or not is_pin(pin):
        raise AuthenticationRefused("invalid_pin_format", "a PIN is four digits")
    if not isinstance(code, str) or not code:
        raise AuthenticationRefused("invalid_activation_code", "no activation code", status=403)
    enrolment = await doors.store.devices.consume_enrolment(activation_code_hash(code), now)
    account = await doors.store.accounts.get(enrolment.account_id) if enrolment else None
    if account is None or account.state is not AccountState.ACTIVE:
        _record_bad_code(doors, account, origin)
        raise AuthenticationRefused("invalid_activation_code", "unknown, used, expired, or of a suspended account", status=403)
    device_id = secrets.token_urlsafe(16)
    mac = pin_mac(doors.pepper, device_id, pin)
    device = Device(id=device_id, account_id=account.id, name=name, public_jwk=public_jwk, pin_mac=mac, enrolled_at=now)
    told = credential_change(device, "create", Initiator.USER, "a phone was enrolled", now)
    await asyncio.gather(doors.store.devices.put(device), doors.store.signals.put(told))
    doors.audit.record(
        AuditAction.DEVICE_ENROLLED,
        Outcome.SUCCESS,
        {"user.id": account.national_id, "health.device.id": device.id, "source.ip": origin.ip, "user_agent.original": origin.user_agent},
    )
    return device


def _record_bad_code(doors: Doors, account: Account | None, origin: Origin) -> None:
    """Guessing at codes must show; what was typed is not written."""
    doors.audit.record(
        AuditAction.LOGIN_FAILED,
        Outcome.FAILURE,
        {
            "event.reason": "the account is suspended" if account else "activation code unknown, used or expired",
            "user.id": account.national_id if account else None,
            "source.ip": origin.ip,
            "user_agent.original": origin.user_agent,
            "health.authentication.method": "device",
        },
    )


async def prove(doors: Doors, call: SignedCall) -> Holder:
    """The phone that signed this request, and its owner.

    Raises AuthenticationRefused ``invalid_device_request`` (unknown phone, wrong signature, replay …) or ``device_blocked``.
    """
    now = doors.clock()
    request = read_signed_request(call.authorization)
    device = await doors.store.devices.get(request.device_id)
    if device is None or device.state is DeviceState.REMOVED:
        raise AuthenticationRefused("invalid_device_request", "no such device", status=401)
    jti = verify_signed_request(request, device.public_jwk, method=call.method, url=call.url, body=call.body, now=now)
    # A note: what a request of a phone can do is itself done once, and asking again what waits does no harm.
    if not await doors.store.counters.remember_once(f"device-jti:{device.id}:{jti}", until=now + JTI_MEMORY, now=now, lasting=False):
        raise AuthenticationRefused("invalid_device_request", "the jti was seen before", status=401)
    if device.state is DeviceState.BLOCKED:
        raise _blocked()
    account = await doors.store.accounts.get(device.account_id)
    if account is None:
        raise AuthenticationRefused("invalid_device_request", "the device has no owner", status=401)
    return Holder(device, account)


async def waiting(doors: Doors, holder: Holder, origin: Origin) -> Sequence[Approval]:
    """The questions that wait for this person, oldest first, each marked seen from now on."""
    seen: list[Approval] = []
    for pending in await doors.store.interactions.pending_approvals(holder.account.id, doors.clock()):
        approval = pending
        if pending.method != "device":
            continue
        if pending.state is ApprovalState.REQUESTED:
            approval = replace(pending, state=ApprovalState.SEEN)
            # Once per question, however many phones look at the same time.
            if await doors.store.interactions.see_approval(pending):
                fields = device_fields(replace(approval, device_id=holder.device.id), holder.account, origin)
                doors.audit.record(AuditAction.DEVICE_APPROVAL_SEEN, Outcome.UNKNOWN, fields)
        seen.append(approval)
    return seen


async def answer(doors: Doors, holder: Holder, approval_id: str, given: Answer, pin: str, origin: Origin) -> Approval:
    """Settle one question. The PIN opens an approval only: to refuse or report, holding the phone is enough.

    Raises AuthenticationRefused ``not_found``, ``already_settled``, ``expired``, ``invalid_challenge``, ``invalid_pin``,
    ``device_blocked``.
    """
    approval = await doors.store.interactions.get_approval(approval_id)
    if approval is not None and approval.method != "device":
        approval = None
    wanted = answered(approval, given, account_id=holder.account.id, device_id=holder.device.id, now=doors.clock())
    opened = await _opened(doors, holder, wanted, pin, origin) if given.decision is Decision.APPROVE else None
    if opened is not None:
        await doors.store.devices.note_right_pin(opened)
    settled = await end(doors, wanted, wanted.state, origin, device_id=holder.device.id, reason=_reason(wanted.state))
    if (settled.state, settled.device_id) != (wanted.state, wanted.device_id):
        raise already_settled(settled)
    return settled


async def _opened(doors: Doors, holder: Holder, approval: Approval, pin: str, origin: Origin) -> Device:
    """Check the PIN; returns the device as it is to be stored after the right one.

    A try is counted before it is looked at, so that tries in parallel cannot slip past the third.
    """
    counted = await doors.store.devices.count_wrong_pin(holder.device.id, blocked_at=doors.limits.wrong_pin_count)
    allowed = counted.wrong_pin_count <= doors.limits.wrong_pin_count
    if allowed and is_pin(pin) and is_right_pin(doors.pepper, counted.id, pin, counted.pin_mac):
        return replace(counted, state=DeviceState.ACTIVE, wrong_pin_count=0, last_used_at=doors.clock())
    national_id = holder.account.national_id or holder.account.id
    await count_failure(doors.store.counters, doors.limits, shadow_id=shadow_account_id(doors.pepper, national_id), now=doors.clock())
    # A power cut gives no second try.
    await doors.store.settle()
    remaining = max(0, doors.limits.wrong_pin_count - counted.wrong_pin_count)
    reason = "wrong PIN" if remaining else "wrong PIN, the device is blocked"
    fields = device_fields(replace(approval, device_id=counted.id), holder.account, origin, reason)
    doors.audit.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, fields)
    if not remaining:
        if allowed:
            told = credential_change(counted, "revoke", Initiator.POLICY, "the phone is blocked after wrong PINs", doors.clock())
            await doors.store.signals.put(told)
        doors.audit.record(AuditAction.CREDENTIAL_CHANGED, Outcome.SUCCESS, {**fields, "event.reason": "device blocked after wrong PINs"})
        raise _blocked()
    raise AuthenticationRefused("invalid_pin", "wrong PIN", status=403, remaining=remaining)


def _reason(state: ApprovalState) -> str:
    return {ApprovalState.MISMATCHED: "another code was chosen", ApprovalState.REPORTED: "the person did not ask for this login"}.get(
        state, ""
    )


def _blocked() -> AuthenticationRefused:
    return AuthenticationRefused("device_blocked", "three wrong PINs: the device must be enrolled again", status=403, remaining=0)
