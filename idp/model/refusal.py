"""A request of a client that was refused, kept for those who develop the client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What was refused, and facts of what was sent (:mod:`idp.explanation.facts`): never a secret, code, token or assertion."""

    #: Identifier of the HTTP request: in ``X-Request-ID``, on the error page, in the audit log.
    reference: str
    client_id: str
    #: Which door: ``authorization``, ``token``, …
    endpoint: str
    at: datetime
    expires_at: datetime
    #: Stands for the network that it came from, so that one alone cannot push the others out; reveals nothing of it.
    source: str
    error: str
    description: str
    #: What only the operator and the client's own developers are told.
    detail: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRefusals:
    """For how long and how many refusals are kept of one client, and how many of them from one network."""

    memory: timedelta = timedelta(days=3)
    client_count: int = 100
    source_count: int = 20
