"""What a request presents as proof, and what it is held against."""

from dataclasses import dataclass
from datetime import datetime

from idp.model.quick import quick
from idp.tokens.certificate import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionId:
    """Identifies one client assertion until it expires, so that it counts once (RFC 7523 §3)."""

    jti: str
    expires_at: datetime


@dataclass(slots=True, kw_only=True)
class Presented:
    """Who the request says it comes from, and its proof; ``assertion_id`` is set by verification."""

    client_id: str
    proof: str | None = None
    assertion_id: AssertionId | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a proof must be made for."""

    issuer: str
    endpoints: frozenset[str]
    now: datetime
    #: The certificate of the TLS connection, from a trusted proxy.
    certificate: Certificate | None = None
