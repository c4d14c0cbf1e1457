"""What SQL finds is what the engine finds: never less, and where the translation is exact nothing else."""

from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from siem.detection import Rule
from siem.detection.conditions import Node, compile_tree
from siem.detection.load import CompiledRule, Variant, load_rules
from siem.detection.logsource import LogSource
from siem.detection.match import Matcher
from siem.detection.modifiers import item_node
from siem.detection.predicates import View
from siem.event import Value
from siem.history.translation import of_rule, of_rules, of_tree
from siem.settings import ROOT
from tests.examples import examples
from tests.siem.history import world
from tests.siem.history.world import Shelf, Stored

SOURCES: Final = (
    LogSource("p", "", "one", {"event.dataset": frozenset({"idp.audit"})}),
    LogSource("p", "", "two", {"event.dataset": frozenset({"nginx.access", ""}), "event.code": frozenset({"1"})}),
    LogSource("p", "", "many", {"event.category": frozenset({"['a']", "a", ""})}),
    LogSource("p", "", "other", {"Channel": frozenset({"security", ""}), "OtherNumber": frozenset({"1", "2", "true"})}),
    LogSource("p", "", "listed", {"Channel": frozenset({"['a']"}), "OtherList": frozenset({"a", ""})}),
    LogSource("p", "", "any", {}),
)
quickly = settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))


def rule_of(rows: list[tuple[Node, tuple[LogSource, ...]]]) -> CompiledRule:
    blank: dict[str, Any] = dict.fromkeys(Rule.__slots__, "") | {"repeat_seconds": 0, "correlation": False}
    return CompiledRule(Rule(**blank), "", tuple(Variant(sources, tree, ()) for tree, sources in rows))


@quickly
@given(tree=world.trees)
def test_a_condition_in_sql_is_the_condition_of_the_engine(shelf: Shelf, stored: Stored, tree: Node) -> None:
    tenant, events = stored
    test, bounds = compile_tree(tree), of_tree(tree)
    engine = {one.id for one in events if test(View(one.fields, one.at))}
    least, most = shelf.ids(tenant, bounds.least), shelf.ids(tenant, bounds.most)
    assert least <= engine <= most
    event("exact" if bounds.exact else "narrowed")
    if bounds.exact:
        assert least == engine == most


@quickly
@given(
    variants=st.lists(st.tuples(world.trees, st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2).map(tuple)), min_size=1, max_size=2)
)
def test_a_rule_in_sql_reads_the_events_of_its_log_sources(
    shelf: Shelf, stored: Stored, variants: list[tuple[Node, tuple[LogSource, ...]]]
) -> None:
    tenant, events = stored
    rule = rule_of(variants)
    matcher, bounds = Matcher([rule]), of_rule(rule)
    engine = {one.id for one in events if list(matcher.match(View(one.fields, one.at)))}
    assert engine == {one.id for one in events if list(matcher.match_slowly(View(one.fields, one.at)))}
    least, most = shelf.ids(tenant, bounds.least), shelf.ids(tenant, bounds.most)
    assert least <= engine <= most
    if bounds.exact:
        assert least == engine


def test_a_filter_narrows_what_sql_looks_for(shelf: Shelf, stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "filter.yml").write_text(
        "title: Known\nlogsource: {product: veilleur}\nfilter: {rules: any, known: {user.id: a}, condition: not known}\n", "utf-8"
    )
    ruleset = load_rules(ROOT / "rules", tmp_path)
    rule = next(one for one in ruleset.singles if one.variants[0].filters)
    bounds = of_rule(rule)
    assert bounds.exact and "a" in bounds.most.parameters


def test_nothing_of_a_rule_becomes_sql() -> None:
    tree = item_node("user.id", "x'); DROP TABLE events; --", {}, lambda name: (name,))
    bounds = of_tree(tree)
    assert "DROP" not in bounds.most.condition and bounds.most.parameters == ("x'); drop table events; --",)


def test_our_own_rules_but_one_run_as_sql_alone() -> None:
    ruleset = load_rules(ROOT / "rules")
    # A regular expression is left to the engine; everything around it narrows what it looks at.
    assert [rule.rule.path for rule in ruleset.singles if not of_rule(rule).exact] == ["web/nginx_sql_injection.yml"]
    assert of_rules([rule for rule in ruleset.singles if of_rule(rule).exact]).exact


FILTERED: Final = """\
title: Failed login
id: 00000000-0000-4000-8000-000000000001
logsource: {product: veilleur, service: idp}
detection: {selection: {event.action: login.failed}, condition: selection}
---
title: Not the probe
logsource: {product: veilleur}
filter: {rules: any, probe: {source.ip: 192.0.2.7}, condition: not probe}
veilleur: {owner: Claire, reason: The probe, expires: 2026-03-14}
"""


def test_a_filter_hides_in_sql_until_its_last_day_as_it_does_in_the_engine(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(FILTERED, encoding="utf-8")
    (rule,) = load_rules(tmp_path).singles
    fields: dict[str, Value] = {"event.dataset": "idp.audit", "event.action": "login.failed"}
    rows = [{**fields, "source.ip": address} for address in ("192.0.2.7", "192.0.2.8") * 2]
    tenant, events = shelf.put(rows, seconds=20)  # two before the midnight that follows the last day, two after
    engine = [one.id for one in events if list(Matcher([rule]).match(View(one.fields, one.at)))]
    assert engine == [one.id for one in events[1:]] and of_rule(rule).exact
    assert shelf.ids(tenant, of_rule(rule).least) == set(engine)
