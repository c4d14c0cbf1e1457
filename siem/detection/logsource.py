"""Log sources: which events a rule's ``logsource`` names, and what its fields are called there.

A rule names a log source by product, category and service; a row below agrees if it has the same value for each
key the rule gives. Several rows may agree: the rule then reads each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class LogSource:
    """One kind of events. ``select`` gives the values (in lower case) that its events have in routing fields.

    ``fields`` maps Sigma's names to the event's; ``known`` are the fields its events may carry (empty: any).
    """

    product: str
    category: str
    service: str
    select: Mapping[str, frozenset[str]]
    fields: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    known: frozenset[str] = frozenset()

    def agrees(self, wanted: Mapping[str, str]) -> bool:
        """Whether a rule's ``logsource`` names it."""
        return all(getattr(self, key) == value for key, value in wanted.items())


#: Names of the W3C extended log format, which Sigma's web rules use, in ECS.
_WEB_FIELDS: Final[Mapping[str, str]] = {
    "c-ip": "source.ip",
    "c-uri": "url.original",
    "c-useragent": "user_agent.original",
    "c-user-agent": "user_agent.original",
    "cs-method": "http.request.method",
    "cs-referer": "http.request.referrer",
    "cs-referrer": "http.request.referrer",
    "cs-uri": "url.original",
    "cs-uri-query": "url.query",
    "cs-uri-stem": "url.path",
    "cs-user-agent": "user_agent.original",
    "cs-username": "user.id",
    "cs-version": "http.version",
    "sc-bytes": "http.response.body.bytes",
    "sc-status": "http.response.status_code",
}


def veilleur_sources(known: frozenset[str]) -> tuple[LogSource, ...]:
    """The log sources of the watch. ``known`` are the fields of :data:`siem.event.FIELDS`."""
    return (
        LogSource("veilleur", "authentication", "idp", {"event.dataset": frozenset({"idp.audit"})}, subject="user.id", known=known),
        LogSource("nginx", "webserver", "", {"event.dataset": frozenset({"nginx.access"})}, _WEB_FIELDS, "source.ip", known),
        LogSource("fhir", "application", "audit_event", {"event.dataset": frozenset({"fhir.audit_event"})}, subject="user.id", known=known),
    )
