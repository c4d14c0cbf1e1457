from hypothesis import example, given
from hypothesis import strategies as st

from idp.explanation.difference import mark, nearest


@given(st.text(), st.text())
@example("https://a.example/retour", "https://a.example/retour/")
@example("", "")
def test_the_parts_make_up_the_text_and_it_parts_at_the_first_difference(text: str, other: str) -> None:
    marked = mark(text, other)
    assert marked.same + marked.character + marked.rest == text
    assert len(marked.character) <= 1
    assert other.startswith(marked.same)
    assert marked.at == len(marked.same) + 1
    assert text == other or not (marked.character and other[len(marked.same) :].startswith(marked.character))


def test_a_character_that_looks_like_another_is_named_by_its_number() -> None:
    assert mark("https://s.example/ retour", "https://s.example/retour").code_point == "U+0020"
    assert mark("https://s.\u0435xample/", "https://s.example/").code_point == "U+0435"
    assert mark("https://s.example:8443/", "https://s.example/").code_point == ""


def test_the_nearest_address_is_the_one_that_was_meant() -> None:
    registered = ["https://dossier.example/retour", "https://autre.example/cb", "https://dossier.example/deconnexion"]
    assert nearest("https://dossier.example/retour/", registered) == registered[0]
    assert nearest("http://autre.example/cb", registered) == registered[1]
    assert nearest("https://x", []) is None
