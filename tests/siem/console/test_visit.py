from hypothesis import given
from hypothesis import strategies as st

from siem.console.visit import Errors, Form, Preferences

FORM = Form([("etat", "new"), ("severite", "high"), ("severite", "low"), ("page", "3")])


def test_a_link_changes_one_filter_and_keeps_the_others() -> None:
    assert FORM.replaced(page="4") == "etat=new&severite=high&severite=low&page=4"
    assert FORM.replaced(page=None, etat="closed") == "severite=high&severite=low&etat=closed"


def test_a_form_gives_first_values_all_values_and_names() -> None:
    assert (FORM.get("severite"), FORM.get("none", "x"), FORM.all("severite")) == ("high", "x", ["high", "low"])
    assert FORM.names() == ["etat", "severite", "page"] and "page" in FORM and "q" not in FORM


def test_a_field_without_fault_has_no_sentence() -> None:
    errors = Errors({"motif": "Dites pourquoi."})
    assert (errors["motif"], errors["verdict"], list(errors)) == ("Dites pourquoi.", "", ["motif"])


@given(st.text(max_size=100))
def test_any_cookie_gives_usable_preferences(cookie: str) -> None:
    preferences = Preferences.from_cookie(cookie)
    assert preferences.theme in {"auto", "light", "dark"} and preferences.density in {"comfortable", "compact"}


def test_preferences_survive_the_cookie() -> None:
    kept = Preferences(language="en", theme="dark", density="compact", shortcuts=False)
    assert Preferences.from_cookie(kept.to_cookie()) == kept
