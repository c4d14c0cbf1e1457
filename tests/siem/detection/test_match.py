"""Indexed matching gives what evaluating every rule gives: on random rules and events, and on real ones."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import Rule
from siem.detection import match as match_module
from siem.detection import memo as memo_module
from siem.detection import routes as routes_module
from siem.detection import scan as scan_module
from siem.detection.cache import Cache
from siem.detection.conditions import AllOf, AnyOf, Negated, Node
from siem.detection.load import CompiledRule, Variant
from siem.detection.logsource import LogSource
from siem.detection.match import Matcher
from siem.detection.modifiers import item_node
from siem.detection.predicates import View
from siem.detection.profile import Tally
from siem.event import Event
from tests.examples import examples, thinned
from tests.siem.sigmahq import real_data, windows_lines, windows_rules

AT = datetime(2026, 3, 14, tzinfo=UTC)
SOURCES = (
    LogSource("p", "", "one", {"kind": frozenset({"one"})}),
    LogSource("p", "", "two", {"kind": frozenset({"two"}), "code": frozenset({"1", "2"})}),
    LogSource("p", "", "any", {}),
)
TEXTS = ["", "a", "b", "ab", "aB", "ba", "abc", "é", "É", "C:\\x", "aab", "1", "2", "10", "192.0.2.7", "x" * 5000 + "ab"]
values = st.one_of(
    st.sampled_from(TEXTS), st.integers(0, 12), st.booleans(), st.none(), st.just(1.0), st.lists(st.sampled_from(TEXTS), max_size=3)
)
events = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["one", "ONE", "two", "three", 5, ["one"]]),
        # Equal to Python, and yet of different texts.
        "code": st.sampled_from([1, True, 1.0, "2", 3, None, 2**63, float(2**63)]),
        "f": values,
        "g": values,
        "h": values,
    },
)
KEYS = (
    "f g h code f|contains g|startswith g|endswith h|cased f|contains|cased f|re f|re|i f|gt f|lte f|cidr"
    " f|exists f|fieldref g|neq f|base64offset|contains"
)
keys = st.sampled_from([*KEYS.split(), "", "|cased"])
patterns = st.sampled_from(["a", "b*", "*b", "a?c", "*a*b*", "É", "é*", "C:\\\\*", "", "*", "10", "AB", "abc", "c:\\x"])


@st.composite
def lines(draw: st.DrawFn) -> Node:
    key = draw(keys)
    value: object = draw(st.one_of(patterns, st.lists(patterns, min_size=1, max_size=3)))
    if key.endswith("exists"):
        value = draw(st.booleans())
    elif key.endswith(("gt", "lte", "code")):
        value = draw(st.integers(0, 12))
    elif key.endswith("cidr"):
        value = draw(st.sampled_from(["192.0.2.0/24", "10.0.0.0/8"]))
    elif key.endswith("fieldref"):
        value = draw(st.sampled_from("gh"))
    elif "|re" in key:
        value = draw(st.sampled_from(["a.", "^b", "b$", "É", "a|c"]))
    elif "base64" in key:
        value = "abc"
    elif key in ("f", "g") and draw(st.booleans()):
        value = draw(st.sampled_from([None, 1, 10, True]))
    return item_node(key, value, {}, lambda name: name)


trees = st.recursive(
    lines(),
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.builds(lambda some: AllOf(tuple(some)), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: AnyOf(tuple(some)), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def compiled(rows: Sequence[tuple[Node, LogSource]]) -> list[CompiledRule]:
    blank = dict.fromkeys(Rule.__slots__, "") | {"repeat_seconds": 0, "correlation": False}
    return [
        CompiledRule(Rule(**{**blank, "id": str(place)}), "", (Variant((source,), tree, ()),))  # type: ignore[arg-type]
        for place, (tree, source) in enumerate(rows)
    ]


def agree(matcher: Matcher, fields: Mapping[str, object]) -> bool:
    quick = [found.rule.rule.id for found in matcher.match(View(fields))]
    return quick == [found.rule.rule.id for found in matcher.match_slowly(View(fields))]


def agree_together(matcher: Matcher, some: Sequence[dict[str, object]]) -> bool:
    """Listening to several events at once is brute force too, also where gates are chosen anew between two of them."""
    listened = matcher.listening(Event(str(place), AT, "s", "t", fields) for place, fields in enumerate(some))  # type: ignore[arg-type]
    return all(
        [one.rule.rule.id for one in (matcher.find(event.fields, None, heard=heard) or (None, []))[1]]
        == [one.rule.rule.id for one in matcher.match_slowly(View(event.fields))]
        for event, heard in listened
    )


@settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(trees, st.sampled_from(SOURCES)), min_size=1, max_size=8), st.lists(events, min_size=1, max_size=12))
def test_indexed_matching_is_brute_force(rows: list[tuple[Node, LogSource]], some: list[dict[str, object]]) -> None:
    matcher = Matcher(compiled(rows))
    # Twice, so that remembered answers are asked for as well.
    assert all(agree(matcher, fields) for fields in [*some, *some])
    assert agree_together(matcher, some)


@given(st.lists(st.tuples(trees, st.sampled_from(SOURCES)), min_size=1, max_size=8), st.lists(events, min_size=1, max_size=12))
@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
def test_gates_chosen_anew_and_full_memos_change_nothing(rows: list[tuple[Node, LogSource]], some: list[dict[str, object]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes_module, "_MEASURE_AT", (2, 5))
        patch.setattr(routes_module, "_SAMPLE_EVERY", 1)
        patch.setattr(routes_module, "_LOOKUPS", 3)
        patch.setattr(routes_module, "_OWN_MACHINE_AFTER", 2)
        patch.setattr(memo_module, "_GENERATION", 150)
        patch.setattr(match_module, "_MAX_ROUTES", 2)
        patch.setattr(scan_module, "_FEW", 0)
        matcher = Matcher(compiled(rows))
        assert all(agree(matcher, fields) for fields in [*some, *some])
        assert agree_together(Matcher(compiled(rows)), [*some, *some])


@given(st.lists(st.tuples(trees, st.sampled_from(SOURCES)), min_size=1, max_size=8), st.lists(events, min_size=1, max_size=12))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
def test_what_an_earlier_run_measured_changes_nothing(rows: list[tuple[Node, LogSource]], some: list[dict[str, object]]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(routes_module, "_MEASURE_AT", (2, 5))
        patch.setattr(routes_module, "_SAMPLE_EVERY", 1)
        patch.setattr(scan_module, "_FEW", 0)
        for _ in range(2):
            matcher = Matcher(compiled(rows), digest="rules")
            matcher.cache = Cache(Path(folder))
            assert all(agree(matcher, fields) for fields in [*some, *some, *some])


def test_memory_is_bounded_where_no_value_ever_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo_module, "_GENERATION", 50_000)
    node = item_node("f|contains", ["needle", "pin"], {}, lambda name: (name,))
    matcher = Matcher(compiled([(node, SOURCES[0])]))
    hits = sum(
        bool(matcher.match(View({"kind": "one", "f": f"value {number} {'needle' * (number % 100 == 0)}"}))) for number in range(20_000)
    )
    assert hits == 200
    assert matcher.memory.turns > 0 or matcher.memory.spent < 50_000
    assert matcher.memory.held_count <= 2 * 50_000 // 120
    # After a while such a field is not remembered at all.
    turns = matcher.memory.turns
    for number in range(20_000):
        matcher.match(View({"kind": "one", "f": f"another {number}"}))
    assert matcher.memory.turns == turns


@real_data
def test_real_rules_on_real_events_are_brute_force() -> None:
    loaded = windows_rules()
    tallies = {rule_id: Tally() for rule_id in loaded.rules}
    matcher = Matcher(loaded.singles, tallies)
    documents = [orjson.loads(line) for line in windows_lines()]
    hits = sum(len(list(matcher.match(View(document)))) for document in documents)
    assert hits == 309
    assert hits < sum(tally.evaluated for tally in tallies.values()) < len(documents)
    assert all(agree(matcher, document) for document in thinned(documents, 400))


@pytest.mark.parametrize("kind", [["one"], ["one", "two"], [], "one", "['one']", 1, True])
@pytest.mark.parametrize("code", [1, "1", 1.0, None, ["1"]])
def test_a_list_where_a_log_source_has_one_value_is_routed_as_it_is_read(kind: object, code: object) -> None:
    listed = LogSource("p", "", "listed", {"kind": frozenset({"one", "['one']", "1", "true"}), "code": frozenset({"1", "", "['1']"})})
    fields = {name: value for name, value in (("kind", kind), ("code", code), ("user", "x")) if value is not None}
    assert agree(Matcher(compiled([(item_node("user", "x", {}, lambda name: (name,)), listed)])), fields)
