import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.declarations.documents import build, canonical, content_from_json, content_to_json, differences, sha256
from siem.declarations.filling import distinct_fields
from siem.declarations.inspection import content_of
from siem.declarations.model import Content, Origin, Phase
from tests.siem.declarations.world import DIRECTOR, World

JSON = st.recursive(
    st.text(max_size=8) | st.integers(-(10**9), 10**9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_same_content_has_one_byte_string_whatever_the_order_of_its_keys(document: dict[str, Any]) -> None:
    shuffled = dict(reversed(document.items()))
    assert canonical(document) == canonical(shuffled)
    assert json.loads(canonical(document)) == document


def test_the_hash_is_that_of_the_bytes() -> None:
    assert canonical({"b": 1, "a": "é"}) == b'{"a":"\xc3\xa9","b":1}'
    assert sha256(b"x") == hashlib.sha256(b"x").hexdigest()
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_a_document_holds_every_value_under_its_path_and_reads_back(world: World) -> None:
    dossier = world.dossiers.get(world.complete(), DIRECTOR)
    form = world.forms.forms[0]
    document = build(form, dossier, Phase.INITIALE, "brouillon", ())
    keys = {entry.key for _, entry in form.fields()}
    read = content_of(document, form)
    assert read.values == {key: value for key, value in dossier.content.values.items() if key in keys}
    assert read.unknown == dossier.content.unknown & keys
    assert document["structure"]["finess_eg"] == "0B0000005"


def test_a_document_tells_one_authority_only_what_its_form_asks(world: World) -> None:
    dossier = world.dossiers.get(world.complete(), DIRECTOR)
    assert "cnil" not in build(world.forms.forms[0], dossier, Phase.INITIALE, "brouillon", ())
    assert "cnil" in build(world.forms.forms[1], dossier, Phase.INITIALE, "brouillon", ())


def test_other_declarations_are_a_list(world: World) -> None:
    dossier_id = world.complete()
    section = "cert_sante_incident.autres_declarations"
    assert world.dossiers.save_section(dossier_id, section, {"autres_declarations.plainte": "22 nov., gendarmerie"}, DIRECTOR) == []
    form = world.forms.forms[0]
    document = build(form, world.dossiers.get(dossier_id, DIRECTOR), Phase.INITIALE, "brouillon", ())
    assert document["autres_declarations"] == [{"regime": "plainte", "mention": "22 nov., gendarmerie"}]
    assert content_of(document, form).values["autres_declarations.plainte"] == "22 nov., gendarmerie"


def test_differences_tell_values_unknowns_and_removals_in_words(world: World) -> None:
    fields = distinct_fields(world.forms.forms)
    old = Content(values={"incident.nb_comptes": 1, "structure.type": "esms", "gone.key": "x"}, unknown=frozenset({"impact.si"}))
    new = Content(values={"incident.nb_comptes": 1200, "impact.si": "messagerie"})
    found = {difference.key: (difference.old, difference.new) for difference in differences(fields, old, new)}
    assert found == {
        "structure.type": ("Établissement ou service médico-social", None),
        "incident.nb_comptes": ("1", "1\u202f200"),
        "impact.si": ("inconnu", "messagerie"),
        "gone.key": ('"x"', None),
    }
    assert differences(fields, old, old) == ()


def test_a_content_is_stored_whole() -> None:
    content = Content(values={"a.b": ["x"], "c.d": True}, unknown=frozenset({"e.f"}), origins={"a.b": Origin.VEILLE})
    assert content_from_json(content_to_json(content)) == content
