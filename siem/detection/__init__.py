"""Detection: Sigma rules and correlations, compiled once, evaluated in event time.

Owns the language and its evaluation. Owns no store and no alert: it returns detections, and
:mod:`siem.pipeline` decides what becomes of them. Start with :class:`Detection`, then :mod:`.load`, :mod:`.engine`.

A rule file goes :mod:`.documents` → :mod:`.load` (:mod:`.heading`; :mod:`.selections`, :mod:`.modifiers`, :mod:`.conditions`;
:mod:`.correlations`; :mod:`.filters`; :mod:`.baseline`). An event goes :mod:`.engine` → :mod:`.match` (routes, gates, memos)
→ :mod:`.correlate` (windows, chains, episodes) and :mod:`.habits` (what is new, or more than usual).
:mod:`.prove` runs the proofs that rules carry.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """Once ``count`` alerts of the same values of ``by`` (empty: of the whole group) have begun within ``within_seconds``, silence for
    ``silence_seconds``: what begins in it joins the last of them. A count of 0 is no limit.
    """

    count: int
    within_seconds: int
    silence_seconds: int
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What the rest of the watch knows of a rule. ``level`` is Sigma's word; ``techniques`` are ATT&CK ids (``T1621``).

    ``title``, ``author`` and ``licence`` go with every match shown to anyone (Detection Rule License 1.1).
    ``rule_set`` names the folder it comes from, empty for the first one loaded; ``path`` begins with it.
    ``summary`` is one French sentence with ``{field}`` placeholders, from the rule's own ``veilleur`` section;
    ``subject`` names the field whose value the alert is about; ``repeat`` seconds during which a further match joins the same alert.
    """

    id: str
    title: str
    description: str
    author: str
    licence: str
    level: str
    status: str
    techniques: tuple[str, ...]
    references: tuple[str, ...]
    falsepositives: tuple[str, ...]
    path: str
    source_text: str
    title_fr: str
    summary_fr: str
    subject: str
    repeat_seconds: int
    correlation: bool
    #: The same in English; placeholders are among those of the French sentence, or none.
    summary_en: str = ""
    #: The description and the innocent causes in French; empty where the rule says them in English alone.
    description_fr: str = ""
    falsepositives_fr: tuple[str, ...] = ()
    rule_set: str = ""
    #: How matches become alerts, see :mod:`.alerting`. ``group_by`` is empty for a correlation, which has its own; ``limit`` None: the
    #: watch's; ``again_seconds`` 0: an alert that goes on is never raised anew.
    group_by: tuple[str, ...] = ()
    again_seconds: int = 0
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """A rule matched. ``group`` holds the group-by values of a correlation, or the subject of a plain rule.

    ``event_ids`` are the contributing events in event time order; ``matched_fields`` the fields that the rule looked at.
    ``values`` are the fields that fill the summary: those of the last event, and ``count`` for a correlation.
    ``authors`` and ``licences`` are of what it rests on besides the rule, such as feeds of indicators.
    """

    rule_id: str
    tenant: str
    group: tuple[tuple[str, str], ...]
    first_at: datetime
    last_at: datetime
    event_ids: tuple[str, ...]
    matched_fields: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    authors: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()


def event_time(detection: Detection) -> tuple[datetime, datetime, str, tuple[tuple[str, str], ...], str]:
    """The order of detections: by event time, and where that is the same by what they are."""
    return (detection.last_at, detection.first_at, detection.rule_id, detection.group, detection.tenant)
