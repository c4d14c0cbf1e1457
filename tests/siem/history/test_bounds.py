from siem.history.bounds import ALWAYS, NEVER, Bounds, all_of, any_of, at_most, exactly, negated
from siem.store.query import Query

A, B = exactly(Query("a", (1,))), at_most(Query("b", (2,)))


def test_what_may_match_and_what_is_sure_to_are_joined_apart() -> None:
    assert all_of([A, B]) == Bounds(NEVER, Query("(a AND b)", (1, 2)))
    assert any_of([A, B]) == Bounds(Query("a", (1,)), Query("(a OR b)", (1, 2)))
    assert all_of([A, A]).exact and not any_of([A, B]).exact


def test_what_always_or_never_holds_takes_no_part() -> None:
    assert all_of([A, exactly(ALWAYS)]) == A and any_of([A, exactly(NEVER)]) == A
    assert all_of([A, exactly(NEVER)]) == exactly(NEVER) and any_of([A, exactly(ALWAYS)]) == exactly(ALWAYS)
    assert all_of([]) == exactly(ALWAYS) and any_of([]) == exactly(NEVER)


def test_a_negation_turns_what_may_match_into_what_is_sure_not_to() -> None:
    assert negated(B) == Bounds(Query("(NOT coalesce(b, FALSE))", (2,)), ALWAYS)
    assert negated(exactly(ALWAYS)) == exactly(NEVER)
