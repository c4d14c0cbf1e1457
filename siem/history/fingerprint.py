"""What a rule says, as a short text that changes when it says something else.

Conditions with their filters, the events they are asked of, and for a correlation what it says and what feeds it; not titles, levels
or anything else that finds no other event. What sets of indicators list is not the rule's: they are followed by themselves.
"""

import dataclasses
import hashlib
import ipaddress
from collections.abc import Mapping
from enum import Enum

import orjson

from siem.detection.load import CompiledRule, Ruleset, Variant


def fingerprints(ruleset: Ruleset) -> dict[str, str]:
    """The fingerprint of every rule of a set that raises alerts, and of every baseline: one that only feeds others learns too."""
    said: dict[str, str] = {one.rule.id: _digest(_of_single(one)) for one in ruleset.singles}
    for habit in ruleset.baselines:
        said[habit.rule.id] = _digest(["baseline", _plain(habit.baseline), [said[child] for child in habit.inputs]])
    for one in ruleset.correlations:  # children before parents
        said[one.rule.id] = _digest(["correlation", _plain(one.correlation), [said[child] for child in one.inputs]])
    for listed in ruleset.indicators:
        said[listed.rule.id] = _digest(["indicators", _plain(listed.wanted)])
    wanted = ruleset.alerting | {one.rule.id for one in ruleset.baselines}
    return {rule_id: text for rule_id, text in said.items() if rule_id in wanted}


def _of_single(one: CompiledRule) -> object:
    return ["single", [_of_variant(variant) for variant in one.variants]]


def _of_variant(variant: Variant) -> object:
    selected = sorted(orjson.dumps(_plain(source.select), option=orjson.OPT_SORT_KEYS).decode() for source in variant.sources)
    return [selected, _plain(variant.tree), [_plain(added.tree) for added in variant.filters]]


def _digest(said: object) -> str:
    return hashlib.sha256(orjson.dumps(said, default=repr, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _plain(value: object) -> object:
    """Lists, maps, texts and numbers alone, in an order that does not depend on the process."""
    match value:
        case Enum():
            return [type(value).__name__, value.value]
        case ipaddress.IPv4Network() | ipaddress.IPv6Network():
            return str(value)
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case frozenset():
            return sorted(map(repr, value))
        case list() | tuple():
            return [_plain(one) for one in value]
        case str():
            return ascii(value)
        case _ if dataclasses.is_dataclass(value):
            return [type(value).__name__, *(_plain(getattr(value, one.name)) for one in dataclasses.fields(value))]
        case _:
            return value
