"""Audit events: what the identity provider writes and the watch reads, one JSON object a line.

Names follow ``noun.participle``: the noun is a protocol artefact, the participle says what became of it.
A name is never reused nor renamed. Field names are those of the Elastic Common Schema, as flat dotted
keys; what ECS has no word for stands under ``health.*``.

Source: ECS 8 field reference (event, user, source, user_agent); CAEP for session and credential events.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from json.encoder import encode_basestring
from typing import Final


class Outcome(StrEnum):
    """ECS ``event.outcome``."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class AuditAction(StrEnum):
    """Every event the identity provider can write (ECS ``event.action``)."""

    AUTHORIZATION_REQUESTED = "authorization.requested"
    AUTHORIZATION_PUSHED = "authorization.pushed"
    AUTHORIZATION_REFUSED = "authorization.refused"
    AUTHORIZATION_CODE_ISSUED = "authorization_code.issued"
    AUTHORIZATION_CODE_CONSUMED = "authorization_code.consumed"
    AUTHORIZATION_CODE_REPLAYED = "authorization_code.replayed"
    CLIENT_AUTHENTICATED = "client.authenticated"
    CLIENT_REFUSED = "client.refused"
    LOGIN_STARTED = "login.started"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    DEVICE_APPROVAL_REQUESTED = "device_approval.requested"
    DEVICE_APPROVAL_SEEN = "device_approval.seen"
    DEVICE_APPROVAL_GRANTED = "device_approval.granted"
    DEVICE_APPROVAL_DENIED = "device_approval.denied"
    DEVICE_APPROVAL_REPORTED = "device_approval.reported"
    DEVICE_APPROVAL_MISMATCHED = "device_approval.mismatched"
    DEVICE_APPROVAL_EXPIRED = "device_approval.expired"
    DEVICE_ENROLLED = "device.enrolled"
    DEVICE_REMOVED = "device.removed"
    CREDENTIAL_CHANGED = "credential.changed"
    ACCOUNT_SUSPENDED = "account.suspended"
    ACCOUNT_RESTORED = "account.restored"
    BACKCHANNEL_LOGIN_NOTIFIED = "backchannel_login.notified"
    DEVICE_AUTHORIZATION_GRANTED = "device_authorization.granted"
    DEVICE_AUTHORIZATION_DENIED = "device_authorization.denied"
    BACKCHANNEL_LOGOUT_ATTEMPTED = "backchannel_logout.attempted"
    BACKCHANNEL_LOGOUT_ABANDONED = "backchannel_logout.abandoned"
    SECURITY_EVENT_ATTEMPTED = "security_event.attempted"
    SECURITY_EVENT_ABANDONED = "security_event.abandoned"
    EVENT_STREAM_CHANGED = "event_stream.changed"
    CONSENT_GIVEN = "consent.given"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    SESSION_STARTED = "session.started"
    SESSION_ENDED = "session.ended"
    SESSION_REVOKED = "session.revoked"
    ACCESS_TOKEN_ISSUED = "access_token.issued"
    ACCESS_TOKEN_REFUSED = "access_token.refused"
    ACCESS_TOKEN_MISUSED = "access_token.misused"
    REFRESH_TOKEN_ROTATED = "refresh_token.rotated"
    REFRESH_TOKEN_REPLAYED = "refresh_token.replayed"
    TOKEN_INTROSPECTED = "token.introspected"
    TOKEN_REVOKED = "token.revoked"
    USERINFO_RELEASED = "userinfo.released"
    KEY_ROTATED = "key.rotated"
    KEY_WITHDRAWN = "key.withdrawn"
    CLIENT_CHANGED = "client.changed"
    AUDIT_SEARCHED = "audit.searched"
    ADMINISTRATION_ENTERED = "administration.entered"


@dataclass(frozen=True, slots=True)
class EcsClass:
    """How ECS classifies an action: ``event.category`` and ``event.type``, both lists."""

    category: tuple[str, ...]
    type: tuple[str, ...]


_AUTHENTICATION = ("authentication",)
_SESSION = ("authentication", "session")
_IAM = ("iam",)
_CONFIGURATION = ("configuration",)

#: One row per action. The watch and the generated documentation read the same table.
ECS_CLASSES: Final[Mapping[AuditAction, EcsClass]] = {
    AuditAction.AUTHORIZATION_REQUESTED: EcsClass(_AUTHENTICATION, ("start",)),
    AuditAction.AUTHORIZATION_PUSHED: EcsClass(_AUTHENTICATION, ("start",)),
    AuditAction.AUTHORIZATION_REFUSED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.AUTHORIZATION_CODE_ISSUED: EcsClass(_AUTHENTICATION, ("allowed",)),
    AuditAction.AUTHORIZATION_CODE_CONSUMED: EcsClass(_AUTHENTICATION, ("access",)),
    AuditAction.AUTHORIZATION_CODE_REPLAYED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.CLIENT_AUTHENTICATED: EcsClass(_AUTHENTICATION, ("allowed",)),
    AuditAction.CLIENT_REFUSED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.LOGIN_STARTED: EcsClass(_AUTHENTICATION, ("start",)),
    AuditAction.LOGIN_SUCCEEDED: EcsClass(_AUTHENTICATION, ("start", "allowed")),
    AuditAction.LOGIN_FAILED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.DEVICE_APPROVAL_REQUESTED: EcsClass(_AUTHENTICATION, ("start",)),
    AuditAction.DEVICE_APPROVAL_SEEN: EcsClass(_AUTHENTICATION, ("info",)),
    AuditAction.DEVICE_APPROVAL_GRANTED: EcsClass(_AUTHENTICATION, ("allowed",)),
    AuditAction.DEVICE_APPROVAL_DENIED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.DEVICE_APPROVAL_REPORTED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.DEVICE_APPROVAL_MISMATCHED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.DEVICE_APPROVAL_EXPIRED: EcsClass(_AUTHENTICATION, ("end",)),
    AuditAction.DEVICE_ENROLLED: EcsClass(_IAM, ("creation",)),
    AuditAction.DEVICE_REMOVED: EcsClass(_IAM, ("deletion",)),
    AuditAction.CREDENTIAL_CHANGED: EcsClass(_IAM, ("change",)),
    AuditAction.ACCOUNT_SUSPENDED: EcsClass(_IAM, ("change",)),
    AuditAction.ACCOUNT_RESTORED: EcsClass(_IAM, ("change",)),
    AuditAction.BACKCHANNEL_LOGIN_NOTIFIED: EcsClass(_AUTHENTICATION, ("info",)),
    AuditAction.DEVICE_AUTHORIZATION_GRANTED: EcsClass(_AUTHENTICATION, ("allowed",)),
    AuditAction.DEVICE_AUTHORIZATION_DENIED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.BACKCHANNEL_LOGOUT_ATTEMPTED: EcsClass(_SESSION, ("info",)),
    AuditAction.BACKCHANNEL_LOGOUT_ABANDONED: EcsClass(_SESSION, ("info",)),
    AuditAction.SECURITY_EVENT_ATTEMPTED: EcsClass(_SESSION, ("info",)),
    AuditAction.SECURITY_EVENT_ABANDONED: EcsClass(_SESSION, ("info",)),
    AuditAction.EVENT_STREAM_CHANGED: EcsClass(_CONFIGURATION, ("change",)),
    AuditAction.CONSENT_GIVEN: EcsClass(_IAM, ("creation",)),
    AuditAction.CONSENT_WITHDRAWN: EcsClass(_IAM, ("deletion",)),
    AuditAction.SESSION_STARTED: EcsClass(_SESSION, ("start",)),
    AuditAction.SESSION_ENDED: EcsClass(_SESSION, ("end",)),
    AuditAction.SESSION_REVOKED: EcsClass(_SESSION, ("end",)),
    AuditAction.ACCESS_TOKEN_ISSUED: EcsClass(_AUTHENTICATION, ("access",)),
    AuditAction.ACCESS_TOKEN_REFUSED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.ACCESS_TOKEN_MISUSED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.REFRESH_TOKEN_ROTATED: EcsClass(_AUTHENTICATION, ("access",)),
    AuditAction.REFRESH_TOKEN_REPLAYED: EcsClass(_AUTHENTICATION, ("denied",)),
    AuditAction.TOKEN_INTROSPECTED: EcsClass(_AUTHENTICATION, ("info",)),
    AuditAction.TOKEN_REVOKED: EcsClass(_AUTHENTICATION, ("end",)),
    AuditAction.USERINFO_RELEASED: EcsClass(_AUTHENTICATION, ("access",)),
    AuditAction.KEY_ROTATED: EcsClass(_CONFIGURATION, ("change",)),
    AuditAction.KEY_WITHDRAWN: EcsClass(_CONFIGURATION, ("deletion",)),
    AuditAction.CLIENT_CHANGED: EcsClass(_CONFIGURATION, ("change",)),
    AuditAction.AUDIT_SEARCHED: EcsClass(_CONFIGURATION, ("access",)),
    AuditAction.ADMINISTRATION_ENTERED: EcsClass(_AUTHENTICATION, ("access",)),
}

#: Optional fields an audit event may carry, with what each holds. Anything else is refused on both sides.
AUDIT_FIELDS: Final[Mapping[str, str]] = {
    "event.reason": "why it was refused, for a person; never a secret, a token or an identity trait",
    "user.id": "national identifier of the professional (PS_IdNat: type digit + identifier), or pairwise sub of a patient",
    "user.roles": "list of profession keys, TRE_G15 code + TRE_R09 category (10C)",
    "source.ip": "address of the person's device, as the trusted proxy gave it",
    "source.port": "port of the same (integer)",
    "user_agent.original": "browser, as it names itself",
    "tls.client.hash.sha256": "thumbprint of the certificate of the card that was shown (SHA-256, upper-case hexadecimal)",
    "health.relying_party.id": "client_id of the service that asks",
    "health.session.id": "session identifier (sid claim); never the cookie",
    "health.authentication.method": "device, certificate, passkey, password, upstream",
    "health.authentication.acr": "level reached (eidas1, eidas2, eidas3)",
    "health.authentication.amr": "list of RFC 8176 values",
    "health.device.id": "identifier of the enrolled device",
    "health.approval.id": "identifier of one approval request",
    "health.grant.type": "RFC 6749 grant_type",
    "health.grant.id": "identifier of the grant (family of tokens)",
    "health.token.id": "jti of the token concerned",
    "health.token.binding": "what the token is bound to: dpop (a key) or mtls (a certificate); absent for a bearer token",
    "health.scope": "list of granted scope values",
    "health.claims.count": "number of claims released (integer), never their values",
    "health.structure.finess": "FINESS of the establishment concerned",
    "health.actor.id": "client_id or administrator who acted, where it is not the person",
    "health.revoked.count": "number of sessions or tokens ended (integer)",
    "health.residual.seconds": "how long tokens already issued may still be accepted offline (integer, seconds)",
    "health.delivery.attempt": "how often a message to a service was tried, this time included (integer)",
    "trace.id": "identifier of the HTTP request",
}

#: Value of ``event.hash`` that the first event of a log refers to.
FIRST_HASH: Final = "0" * 64

#: What a browser may put into its name and a terminal or an editor would obey: C1 controls, line and paragraph separators, marks
#: that turn the direction of writing, and halves of surrogate pairs. Written as JSON escapes.
_INVISIBLE: Final = re.compile("[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

AuditValue = str | int | bool | list[str]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that happened at the identity provider.

    ``fields`` holds only keys of :data:`AUDIT_FIELDS`; absent means absent (no empty strings).
    """

    action: AuditAction
    outcome: Outcome
    occurred_at: datetime
    fields: Mapping[str, AuditValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a field the contract does not know, and a time without zone."""
        if not self.fields.keys() <= AUDIT_FIELDS.keys():
            unknown = min(self.fields.keys() - AUDIT_FIELDS.keys())
            raise ValueError(f"audit event {self.action}: unknown field {unknown!r}; declare it in AUDIT_FIELDS")
        if self.occurred_at.tzinfo is None:
            raise ValueError(f"audit event {self.action}: occurred_at has no time zone")

    def to_json_line(self, *, sequence: int, previous_hash: str, provider: str) -> tuple[str, str]:
        """The line to write (without line feed), and its hash, which the next line refers to.

        ``event.hash`` is SHA-256, in hex, over the previous hash and the line as it stands without that key:
        a line removed or changed breaks every later one.
        """
        at = self.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # Put together from parts that are JSON already: encoding the whole anew was a third of what an event costs.
        own = "".join(
            [f',"{name}":{encode_basestring(value) if type(value) is str else _encoded(value)}' for name, value in self.fields.items()]
        )
        body = f'{{"@timestamp":"{at}",{_of_log(provider)},"event.sequence":{sequence},{_of_action(self.action, self.outcome)}{own}}}'
        if not body.isascii():
            body = _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", body)
        digest = chain_hash(previous_hash, body)
        return f'{body[:-1]},"event.hash":"{digest}"}}', digest


@cache
def _of_log(provider: str) -> str:
    """Members that are the same in every line of a log."""
    return f'"ecs.version":"8.17.0","event.kind":"event","event.dataset":"idp.audit","event.provider":{encode_basestring(provider)}'


@cache
def _of_action(action: AuditAction, outcome: Outcome) -> str:
    """Members that an action and its outcome decide."""
    ecs = ECS_CLASSES[action]
    return (
        f'"event.action":"{action}","event.category":{_encoded(list(ecs.category))},"event.type":{_encoded(list(ecs.type))},'
        f'"event.outcome":"{outcome}"'
    )


def _encoded(value: AuditValue) -> str:
    """One value as JSON, in UTF-8 where it can be."""
    if isinstance(value, str):
        return encode_basestring(value)
    return f"[{','.join(map(encode_basestring, value))}]" if isinstance(value, list) else json.dumps(value)


def chain_hash(previous_hash: str, body: str) -> str:
    """SHA-256 (hex) that binds ``body``, a line without its ``event.hash``, to the line before it."""
    return hashlib.sha256(f"{previous_hash}{body}".encode()).hexdigest()
