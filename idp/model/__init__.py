"""The provider's nouns: plain frozen records, without input or output.

Instants are aware UTC datetimes ending in ``_at``; durations are timedeltas; a ``_hash`` is SHA-256 in hex
of a secret that is never stored itself.
"""

from idp.model.client import CLIENT_AUTH_METHODS, GRANT_TYPES, Client, InitialAccessToken, Profile
from idp.model.consent import Consent
from idp.model.grant import AccessTokenRecord, AuthorizationCode, AwaitedRequest, Grant, RefreshToken, Revocation
from idp.model.limits import Lifetimes, Limits
from idp.model.login import (
    Approval,
    ApprovalKind,
    ApprovalState,
    DeviceAuthorization,
    DeviceAuthorizationState,
    Interaction,
    PushedRequest,
    Session,
)
from idp.model.people import Account, AccountKind, AccountState, Device, DeviceState, Enrolment
from idp.model.refusal import KeptRefusals, Refusal
from idp.model.signal import (
    BY_SYSTEM,
    Cause,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Initiator,
    Signal,
    SignalKind,
    Stream,
    StreamStatus,
    Visit,
)

__all__ = [
    "BY_SYSTEM",
    "CLIENT_AUTH_METHODS",
    "GRANT_TYPES",
    "AccessTokenRecord",
    "Account",
    "AccountKind",
    "AccountState",
    "Approval",
    "ApprovalKind",
    "ApprovalState",
    "AuthorizationCode",
    "AwaitedRequest",
    "Cause",
    "Client",
    "Consent",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "Device",
    "DeviceAuthorization",
    "DeviceAuthorizationState",
    "DeviceState",
    "Enrolment",
    "Grant",
    "InitialAccessToken",
    "Initiator",
    "Interaction",
    "KeptRefusals",
    "Lifetimes",
    "Limits",
    "Profile",
    "PushedRequest",
    "RefreshToken",
    "Refusal",
    "Revocation",
    "Session",
    "Signal",
    "SignalKind",
    "Stream",
    "StreamStatus",
    "Visit",
]
