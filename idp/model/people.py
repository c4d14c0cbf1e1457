"""People, their phones, and the right to enrol one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from idp.model.quick import quick


class AccountKind(StrEnum):
    """Professionals are known by RPPS, ADELI or an employer's number; patients by traits and INS."""

    PROFESSIONAL = "professional"
    PATIENT = "patient"


class AccountState(StrEnum):
    """A suspended account keeps its history and gets no session, code or token."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person. ``id`` is our own random identifier; ``national_id`` the PS_IdNat of a professional (type digit + identifier)."""

    id: str
    kind: AccountKind
    state: AccountState = AccountState.ACTIVE
    national_id: str | None = None
    given_name: str = ""
    family_name: str = ""
    #: The professional's directory entry, shaped as PSC's userinfo without sub, authMode and Palier_Authentification.
    directory: Mapping[str, object] = field(default_factory=dict)


class DeviceState(StrEnum):
    """Three wrong PINs block a device; it must be enrolled again."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    REMOVED = "removed"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An enrolled phone: it holds a P-256 private key that never leaves it; we hold the public JWK."""

    id: str
    account_id: str
    name: str
    public_jwk: Mapping[str, str]
    #: HMAC-SHA-256 (hex) of device id and PIN under the sealed pepper: four digits need a secret, not a slow hash.
    pin_mac: str
    state: DeviceState = DeviceState.ACTIVE
    wrong_pin_count: int = 0
    enrolled_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A one-time right to enrol a device, found by the hash of its activation code."""

    code_hash: str
    account_id: str
    expires_at: datetime
