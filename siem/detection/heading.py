"""What a rule document says of itself, whatever kind of rule it is: title, level, authors, and our own section.

``veilleur`` is ours: ``titre``, ``explication`` and ``faux-positifs`` (title, description and innocent causes in French), ``resume`` and
``summary`` (a sentence in French and English; ``{field}`` and ``{count}`` are filled from the detection), ``baseline`` and ``indicators``
(instead of a detection: see :mod:`.baseline`, :mod:`.indicators`), ``zone`` (:mod:`.zones`), and what turns matches into alerts
(:mod:`.alerting`).
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from siem.detection import Rule, alerting
from siem.detection.documents import Document
from siem.detection.selections import RuleMistake

LEVELS: Final = ("informational", "low", "medium", "high", "critical")
_STATUSES: Final = ("stable", "test", "experimental", "deprecated", "unsupported")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_OUR_KEYS: Final = alerting.KEYS | {"titre", "resume", "summary", "baseline", "indicators", "zone", "explication", "faux-positifs"}
#: Of ids made from names.
_NAMELESS: Final = uuid.UUID("f3f6ab3b-8c53-4d4b-9d51-0d9a3c1f6c0e")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def heading(document: Document, rule_id: str, subject: str, *, correlation: bool) -> Rule:
    """The rule as others know it. ``subject`` is what it is about where it does not say. Raises RuleMistake."""
    body = document.body
    title = text_at(body, "title")
    if not title:
        raise RuleMistake("a title is expected", "title")
    level = text_at(body, "level") or "medium"
    if level not in LEVELS:
        raise RuleMistake(f"one of {', '.join(LEVELS)} is expected", "level")
    status = text_at(body, "status") or "experimental"
    if status not in _STATUSES:
        raise RuleMistake(f"one of {', '.join(_STATUSES)} is expected", "status")
    ours = body.get("veilleur") or {}
    if not isinstance(ours, Mapping):
        raise RuleMistake("a map is expected", "veilleur")
    unknown = [str(key) for key in ours if key not in _OUR_KEYS]
    if unknown:
        raise RuleMistake(f"unknown key «{unknown[0]}»", "veilleur", unknown[0])
    tags = _text_list(body, "tags")
    subject = text_at(ours, "subject", "veilleur") or subject
    group_by, group = _grouping(body, ours, subject, correlation=correlation)
    return Rule(
        id=rule_id,
        title=title,
        description=text_at(body, "description"),
        author=text_at(body, "author"),
        licence=text_at(body, "license") or document.folder.licence,
        level=level,
        status=status,
        techniques=tuple(dict.fromkeys(found[1].upper() for tag in tags if (found := _TECHNIQUE.fullmatch(tag)))),
        references=tuple(_text_list(body, "references")),
        falsepositives=tuple(_text_list(body, "falsepositives")),
        path=document.path,
        rule_set=document.folder.name,
        source_text=document.text,
        title_fr=text_at(ours, "titre", "veilleur") or title,
        summary_fr=text_at(ours, "resume", "veilleur") or title,
        subject=subject,
        repeat_seconds=alerting.duration(ours.get("repeat", "1h"), "repeat"),
        correlation=correlation,
        summary_en=text_at(ours, "summary", "veilleur"),
        description_fr=text_at(ours, "explication", "veilleur"),
        falsepositives_fr=tuple(_text_list(ours, "faux-positifs")),
        group_by=group_by,
        again_seconds=alerting.duration(ours["again"], "again") if "again" in ours else 0,
        limit=alerting.limit(ours.get("limit"), group),
    )


def _grouping(
    body: Mapping[str, object], ours: Mapping[str, object], subject: str, *, correlation: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a plain rule groups its alerts by (empty for others, which have their own), and the fields of a detection's group."""
    if not correlation:
        group_by = alerting.fields(ours.get("group-by"), "group-by") or (subject,)
        return group_by, group_by
    if "group-by" in ours:
        raise RuleMistake("it groups by its own group-by; a second one is for rules on single events", "veilleur", "group-by")
    section = ours.get("baseline") or body.get("correlation")
    own = section.get("group-by") if isinstance(section, Mapping) else None
    return (), tuple(str(name) for name in (own if isinstance(own, list) else [own]) if name)


def own_section(body: Mapping[str, object], key: str) -> object:
    """What stands in our section under ``baseline`` or ``indicators``, instead of a detection; None where nothing does."""
    ours = body.get("veilleur")
    return ours.get(key) if isinstance(ours, Mapping) else None


def text_at(body: Mapping[str, object], key: str, *above: str) -> str:
    """A text, empty where there is none. Raises RuleMistake for anything else."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RuleMistake(f"a text is expected, found {value!r}", *above, key)
    return value.strip()


def _text_list(body: Mapping[str, object], key: str) -> list[str]:
    value = body.get(key)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values if one is not None]


def placeholders_of(summary: str) -> Iterator[str]:
    """Names between braces in a summary."""
    for found in _PLACEHOLDER.finditer(summary):
        yield found[1]


def id_from(name: str, title: str) -> str:
    """The id of a rule that gives none: the same for as long as its name, or its title where it has no name, stays."""
    return str(uuid.uuid5(_NAMELESS, name or f"title\0{title}"))
