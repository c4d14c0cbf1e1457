from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization_details import DetailTypes, narrowed, read_detail_types
from idp.errors import InvalidAuthorizationDetails, OperationError

SAMPLES = Path(__file__).parents[2] / "deploy/demo/authorization_details.yaml"
READ = {"type": "dossier_access", "actions": ["read"], "datatypes": ["prescription", "letter"], "identifier": "séjour 42"}


@pytest.fixture(scope="module")
def types() -> DetailTypes:
    return read_detail_types(SAMPLES)


def _check(types: DetailTypes, text: str, allowed: tuple[str, ...] = ("dossier_access",)) -> Any:
    return types.check(text, allowed)


@pytest.mark.spec("RFC9396-2", "RFC9396-7")
def test_a_detail_that_fits_its_schema_is_read_out_in_both_languages(types: DetailTypes) -> None:
    import json

    details = _check(types, json.dumps([READ]))
    assert details == (READ,)
    assert types.read_out(details, "fr") == ["lire, dans le dossier « séjour 42 » : ordonnances, lettres de liaison"]
    assert types.read_out(details, "en") == ["read, in the record “séjour 42”: prescriptions, discharge letters"]


@pytest.mark.spec("RFC9396-5")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "must be a JSON array"),
        ("{}", "must be a JSON array"),
        ("[]", "1 to 10 objects"),
        ("[1]", "must be a JSON array"),
        ("[" + ",".join(["{}"] * 11) + "]", "1 to 10 objects"),
        ('[{"type":"payment"}]', "0.type is not one of those offered here: dossier_access"),
        ('[{"type":["dossier_access"]}]', "0.type is not one"),
        ('[{"actions":["read"]}]', "0.type is not one"),
        ('[{"type":"dossier_access"}]', "does not fit the schema of dossier_access at the object (required)"),
        ('[{"type":"dossier_access","actions":["erase"],"datatypes":["letter"],"identifier":"1"}]', "at actions.0 (enum)"),
        ('[{"type":"dossier_access","actions":["read"],"datatypes":["letter"],"identifier":"1","x":1}]', "(additionalProperties)"),
    ],
)
def test_what_is_wrong_is_said_by_place_and_never_repeated(types: DetailTypes, text: str, said: str) -> None:
    with pytest.raises(InvalidAuthorizationDetails) as refused:
        _check(types, text)
    assert said in refused.value.description
    assert "erase" not in refused.value.description


def test_a_type_that_the_client_did_not_register_is_refused_by_name(types: DetailTypes) -> None:
    with pytest.raises(InvalidAuthorizationDetails, match="not registered for the type dossier_access"):
        _check(types, '[{"type":"dossier_access"}]', allowed=())


@given(st.text(max_size=200))
def test_no_text_is_a_fault_of_ours(text: str) -> None:
    with pytest.raises(InvalidAuthorizationDetails):
        DetailTypes().check(text, ())


def test_nothing_invisible_and_nothing_long_reaches_a_screen(types: DetailTypes) -> None:
    [sentence] = types.read_out([{**READ, "identifier": "a\u202eb" + "x" * 500}], "fr")
    assert "\u202e" not in sentence
    assert len(sentence) < 200


@pytest.mark.spec("RFC9396-6")
def test_a_token_request_may_name_a_part_of_what_was_granted_and_nothing_else() -> None:
    other = {**READ, "identifier": "séjour 43"}
    import json

    assert narrowed((READ, other), None) == (READ, other)
    assert narrowed((READ, other), json.dumps([other])) == (other,)
    for wrong in ("[", "[]", "{}", json.dumps([{**READ, "actions": ["read", "write"]}])):
        with pytest.raises(InvalidAuthorizationDetails):
            narrowed((READ,), wrong)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": {"type": 3}}, "the schema is none"),
        ({"schema": {"type": "object"}}, "additionalProperties: false"),
        ({"sentence": {"fr": "lire {title}", "en": "read"}}, "{title}, which the schema does not require"),
        ({"sentence": {"fr": "lire"}}, "en"),
    ],
)
def test_a_file_with_a_fault_stops_the_provider_and_says_which(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    document = yaml.safe_load(SAMPLES.read_text("utf-8"))
    document["types"][0] |= change
    (tmp_path / "types.yaml").write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(OperationError, match="types.yaml") as refused:
        read_detail_types(tmp_path / "types.yaml")
    assert said in str(refused.value)
