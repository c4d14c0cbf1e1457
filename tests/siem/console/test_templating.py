import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from siem.console.templating import environment, search_value, targets
from siem.store.query import parse_query


@given(st.text(max_size=40))
def test_any_value_can_be_searched_for_as_it_is(value: str) -> None:
    query = parse_query(f"user.id:{search_value(value)}")
    assert query.parameters == (value,)


def test_text_is_escaped_and_an_unknown_name_is_a_mistake() -> None:
    made = environment()
    assert made.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        made.from_string("{{ nobody }}").render()


def test_errors_become_links_to_their_fields() -> None:
    assert targets({"motif": "Dites pourquoi."}) == [("#motif", "Dites pourquoi.")]
