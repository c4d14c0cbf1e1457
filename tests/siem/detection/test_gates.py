from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.gates import best_gate, guessed_cost, measured_cost
from siem.detection.patterns import Pattern
from siem.detection.predicates import IsNull, TextIs


def text(name: str) -> TextIs:
    return TextIs(name, Pattern.literal("x"))


RARE, COMMON, OTHER = text("rare"), text("common"), text("other")
SHARES = {RARE: 0.001, COMMON: 0.9, OTHER: 0.2}


def gate(node: Node) -> set[str] | None:
    found = best_gate(node, measured_cost(SHARES))
    return None if found is None else {predicate.field for predicate in found.predicates}


def test_a_conjunction_is_gated_by_its_rarest_part() -> None:
    assert gate(AllOf((Leaf(COMMON), Leaf(RARE), Negated(Leaf(OTHER))))) == {"rare"}
    assert gate(AllOf((Leaf(COMMON), AnyOf((Leaf(RARE), Leaf(OTHER)))))) == {"rare", "other"}


def test_a_disjunction_needs_a_gate_for_every_part() -> None:
    assert gate(AnyOf((Leaf(RARE), Leaf(OTHER)))) == {"rare", "other"}
    assert gate(AnyOf((Leaf(RARE), Negated(Leaf(OTHER))))) is None
    assert gate(AnyOf((Leaf(RARE), Leaf(IsNull("f"))))) is None
    assert gate(AnyOf((Leaf(RARE), AllOf((Negated(Leaf(COMMON)), Leaf(OTHER)))))) == {"rare", "other"}


def test_what_holds_without_any_predicate_has_no_gate() -> None:
    assert gate(Negated(Leaf(RARE))) is None
    assert gate(Leaf(IsNull("f"))) is None
    assert gate(AllOf(())) is None


def test_before_anything_is_measured_long_texts_are_taken_for_rare() -> None:
    short, long = TextIs("f", Pattern.parse("*a*")), TextIs("f", Pattern.parse("*a very long text*"))
    assert guessed_cost(long) < guessed_cost(short)
    assert guessed_cost(TextIs("f", Pattern.literal("abcd"))) < guessed_cost(TextIs("f", Pattern.parse("*abcd*")))
