from siem.detection.conditions import AnyOf, Leaf
from siem.detection.gates import Gate, best_gate, guessed_cost
from siem.detection.keywords import KeywordLiterals
from siem.detection.memo import Memory
from siem.detection.patterns import Pattern
from siem.detection.predicates import ANYWHERE, Predicate, TextIs
from siem.detection.routes import Node, Route, Shares, shares_of, texts_of
from siem.detection.scan import Literals


def contains(field: str, text: str) -> TextIs:
    return TextIs(field, Pattern.literal(text).open_start().open_end())


class Index:
    def __init__(self, *texts: str) -> None:
        self.memory = Memory()
        self.cache = None
        self.kept: list[Shares] = []
        self._texts = texts

    def literals(self, field: str) -> Literals:
        return Literals(self._texts)

    def keywords(self) -> KeywordLiterals:
        return KeywordLiterals(self._texts)

    def guess(self, place: int, condition: Node) -> Gate | None:
        return best_gate(condition, guessed_cost)

    def measured(self, route: Route, shares: Shares) -> None:
        self.kept.append(shares)


def test_the_share_of_each_predicate_is_measured_and_what_never_held_is_missing() -> None:
    often, never, word = contains("f", "often"), contains("f", "never"), contains(ANYWHERE, "word")
    tree = AnyOf((Leaf(often), Leaf(never), Leaf(word)))
    sample: list[dict[str, object]] = [{"f": "often"}, {"f": ["x", "so often"]}, {"g": "a word"}, {"f": None}]
    assert shares_of([tree], sample, Index("often", "never", "word")) == {often: 0.5, word: 0.25}


def test_a_keyword_is_found_in_fields_with_a_gate_and_in_those_without() -> None:
    gated, keyword = contains("f", "gated"), contains(ANYWHERE, "word")
    route = Route("r", (4, 7), (Leaf(gated), Leaf(keyword)), Index("gated", "word"), None)
    assert list(route.opened({"f": "gated"})) == [0]
    assert list(route.opened({"f": "a word", "g": 1})) == [1]
    assert list(route.opened({"g": "a word"})) == [1]
    assert list(route.opened({"f": "gated", "g": "a word", "h": [None, 1.0]})) == [0, 1]
    assert list(route.opened({"f": "x", "g": "y"})) == []


def test_gates_are_chosen_by_what_is_measured_and_kept_for_the_next_run() -> None:
    index = Index("seldom", "common")
    common: Predicate = contains("f", "common, though it is long")
    seldom: Predicate = contains("f", "se")
    index = Index("common, though it is long", "se")
    both = Leaf(common), Leaf(seldom)
    from siem.detection.conditions import AllOf

    route = Route("r", (0,), (AllOf(both),), index, None)
    for _ in range(256):
        route.opened({"f": "common, though it is long"})
    assert index.kept == [{common: 1.0}]
    assert list(route.opened({"f": "common, though it is long"})) == []
    again = Route("r", (0,), (AllOf(both),), index, index.kept[0])
    assert list(again.opened({"f": "common, though it is long"})) == []
    assert list(again.opened({"f": "se"})) == [0]


def test_texts_of_a_value() -> None:
    assert texts_of([1, None, True, "x"]) == ("1", "true", "x")
    assert texts_of(2.0) == ("2",)
