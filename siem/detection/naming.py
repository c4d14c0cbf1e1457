"""Which rule of a set a person means: by its id, name, file or title, or by what only one of these begins with."""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from siem.detection import Rule
from siem.detection.load import CompiledBaseline, CompiledCorrelation, CompiledRule, Ruleset
from siem.errors import DataError

#: Of rules that a few letters may mean, so many are named.
_SHOWN: Final = 8
#: Shorter than this, the begin of a name says nothing.
_SHORTEST: Final = 3


def find_rule(ruleset: Ruleset, reference: str, *, alerting: bool = False) -> Rule:
    """The rule of that id, name, file (``web/nginx_scan``) or title, in English or French; else the only one with one that begins so.

    With ``alerting``, only rules that raise alerts are meant. Raises DataError naming those that it may be.
    """
    rules = [one for one in ruleset.rules.values() if not alerting or one.id in ruleset.alerting]
    names = {name: rule for name, rule in _names(ruleset) if not alerting or rule.id in ruleset.alerting}
    if (known := {one.id: one for one in rules}.get(reference) or names.get(reference)) is not None:
        return known
    wanted = _plain(reference).removesuffix(".yml")
    keys = [(_plain(name), rule) for name, rule in names.items()]
    keys += [(key, rule) for rule in rules for key in _said_of(rule, by_file=rule.id in ruleset.alerting)]
    found = {rule.id: rule for key, rule in keys if key == wanted}
    if not found and len(wanted) >= _SHORTEST:
        found = {rule.id: rule for key, rule in keys if key.startswith(wanted)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise _refused(reference, f"{len(found)} rules may be meant: {_listed(found.values())}; give the id of one")
    near = difflib.get_close_matches(wanted, dict.fromkeys(key for key, _ in keys), n=1)
    meant = f"; did you mean {near[0]}?" if near else "; give its id, its name, its file or its title"
    raise _refused(reference, ("no rule that raises alerts is called that" if alerting else "no rule in force is called that") + meant)


def _names(ruleset: Ruleset) -> Iterator[tuple[str, Rule]]:
    compiled: list[CompiledRule | CompiledCorrelation | CompiledBaseline] = [*ruleset.singles, *ruleset.correlations, *ruleset.baselines]
    return ((one.name, one.rule) for one in compiled if one.name)


def _said_of(rule: Rule, *, by_file: bool) -> Iterator[str]:
    """What a rule may be called, besides its name; a file is called after the rule of it that raises alerts."""
    yield rule.id
    yield _plain(rule.title)
    yield _plain(rule.title_fr)
    if by_file:
        path = _plain(rule.path).removesuffix(".yml")
        yield path
        yield path.rpartition("/")[2]


def _plain(text: str) -> str:
    """As people type it: without case, with one kind of space and of apostrophe, accents as one sign."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())


def _listed(rules: Iterable[Rule]) -> str:
    found = sorted(rules, key=lambda one: (one.path, one.id))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(f"«{one.title}» ({one.id})" for one in found[:_SHOWN]) + more


def _refused(reference: str, problem: str) -> DataError:
    return DataError("rules", 0, reference[:200], problem)
