import pytest

from siem.response.action import ActionFailed, identifiers
from tests.siem.response.actions.conftest import Given, given


def test_a_list_is_read_without_its_empty_parts(given: Given) -> None:
    assert given.context(personnes=" a, ,b,").listed("personnes") == ("a", "b")
    assert given.context().listed("personnes") == ()


def test_people_are_resolved_in_order_or_named_when_nobody_knows_them(given: Given) -> None:
    services = given.bench.services()
    assert identifiers(services, given.context(personnes="P-AAAAAAAAAA")) == [("P-AAAAAAAAAA", "899700000011")]
    with pytest.raises(ActionFailed, match="P-ZZZZZZZZZZ"):
        identifiers(services, given.context(personnes="P-AAAAAAAAAA,P-ZZZZZZZZZZ"))


__all__ = ["given"]
