"""How rules alert here, said beside them: the operator's word on repeat, grouping and limits, for one rule or for all.

A rule that others write is replaced by its next version, and what was changed in its file with it. So a document of the operator's own
folder says it, by id or name, with the keys of :mod:`.alerting`; under ``default`` stands what holds for rules that say nothing::

    alerting:
      default: {repeat: 6h}
      5b9c7a0e-8f0e-4d2c-9b57-4b6f2f0f9c11: {repeat: 1d, group-by: [host.name]}
      proc_creation_win_whoami: {limit: {alerts: 2, within: 1m, silence: 1h}}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from siem.detection import alerting, zones
from siem.detection.documents import Document
from siem.detection.folders import OWN
from siem.detection.selections import RuleMistake
from siem.errors import DataError

KEY: Final = "alerting"
DEFAULT: Final = "default"
_DURATIONS: Final = frozenset({"repeat", "again"})
_FOR_ALL: Final = _DURATIONS | {zones.KEY}


def overridden(documents: Sequence[Document]) -> tuple[list[Document], list[DataError]]:
    """The other documents, rules with what is said of them in their ``veilleur`` section, and what is wrong with that.

    What cannot be honoured changes nothing: the rule goes on as it is written.
    """
    others = [one for one in documents if KEY not in one.body]
    by_name = {str(one.body[key]): one for one in others if "filter" not in one.body for key in ("id", "name") if one.body.get(key)}
    said: dict[str, Mapping[str, object]] = {}
    errors: list[DataError] = []
    for document in documents:
        for name, section in _sections(document, errors):
            target = by_name.get(name)
            try:
                if target is None and name != DEFAULT:
                    raise RuleMistake(f"no rule has the name or id «{name}»", KEY, name)
                if name in said:
                    raise RuleMistake(f"«{name}» is spoken of twice", KEY, name)
                said[name] = _checked(section, target, name)
            except RuleMistake as mistake:
                errors.append(document.error(mistake))
    return [one if "filter" in one.body else _joined(one, said) for one in others] if said else others, errors


def _sections(document: Document, errors: list[DataError]) -> Iterator[tuple[str, object]]:
    if KEY not in document.body:
        return
    sections = document.body[KEY]
    if document.folder.path.name != OWN:
        errors.append(document.error_at("how rules alert is said in the operator's own folder alone", KEY))
    elif not isinstance(sections, Mapping):
        errors.append(document.error_at("a map from ids or names of rules to repeat, group-by, limit is expected", KEY))
    else:
        yield from ((str(name), section) for name, section in sections.items())


def _checked(section: object, target: Document | None, name: str) -> Mapping[str, object]:
    """The section, if the target can be read with it. Raises RuleMistake."""
    allowed = alerting.KEYS | {zones.KEY} if target is not None else _FOR_ALL
    if not isinstance(section, Mapping):
        raise RuleMistake("a map such as {repeat: 6h} is expected", KEY, name)
    unknown = next((str(key) for key in section if key not in allowed), None)
    if unknown is not None:
        raise RuleMistake(f"unknown key «{unknown}»; one of {', '.join(sorted(allowed))} is expected", KEY, name, unknown)
    try:
        for key in _DURATIONS & section.keys():
            alerting.duration(section[key], key)
        zones.zone_of(section)
        group = alerting.fields(section.get("group-by"), "group-by")
        alerting.limit(section.get("limit"), group)
    except RuleMistake as mistake:
        raise RuleMistake(mistake.problem, KEY, name, *mistake.path[1:]) from mistake
    if group and target is not None and "correlation" in target.body:
        raise RuleMistake("a correlation groups by its own group-by", KEY, name, "group-by")
    if "subject" in section and not isinstance(section["subject"], str):
        raise RuleMistake("the name of a field is expected", KEY, name, "subject")
    return {str(key): value for key, value in section.items()}


def _joined(document: Document, said: Mapping[str, Mapping[str, object]]) -> Document:
    own = document.body.get("veilleur") or {}
    if not isinstance(own, Mapping):
        return document  # a mistake that the rule is refused for
    named = [said[name] for key in ("id", "name") if (name := str(document.body.get(key, ""))) in said]
    changed = {**said.get(DEFAULT, {}), **own, **{key: value for one in named for key, value in one.items()}}
    return replace(document, body={**document.body, "veilleur": changed}) if changed != own else document
