"""That a person's means of login changed, as a signal for those who must hear of it (CAEP §3.3)."""

from datetime import datetime
from typing import Final, Literal

from idp.clock import ordered_id
from idp.model import Device, Initiator, Signal, SignalKind

#: What CAEP calls a key in an application on a phone.
_CREDENTIAL_TYPE: Final = "app"


def credential_change(device: Device, change: Literal["create", "revoke"], initiator: Initiator, reason: str, now: datetime) -> Signal:
    """Of an enrolled or blocked phone; its name is what the person called it."""
    return Signal(
        id=ordered_id(now),
        kind=SignalKind.CREDENTIAL_CHANGED,
        account_id=device.account_id,
        cause_initiator=initiator,
        cause_reason=reason,
        at=now,
        details={"credential_type": _CREDENTIAL_TYPE, "change_type": change, "friendly_name": device.name},
    )
