import pytest
from pydantic import ValidationError

from siem.declarations.conditions import Condition, Situation
from siem.declarations.model import Applicability
from siem.incidents.model import CRITERIA

YES, MAYBE, NO = Applicability.OUI, Applicability.A_CONFIRMER, Applicability.NON


def _condition(**parts: object) -> Condition:
    return Condition.model_validate(parts)


@pytest.mark.parametrize(("answer", "expected"), [("oui", YES), ("non", NO), ("inconnu", MAYBE)])
def test_a_criterion_is_as_it_was_answered(answer: str, expected: Applicability) -> None:
    situation = Situation(criteria={"donnees_sante": answer}, values={})
    assert _condition(criterion="donnees_sante").evaluate(situation) is expected


def test_a_criterion_nobody_answered_is_to_be_confirmed() -> None:
    assert _condition(criterion=CRITERIA[0]).evaluate(Situation(criteria={}, values={})) is MAYBE


@pytest.mark.parametrize(("value", "expected"), [(["ose"], YES), ("ose", YES), (["aucun"], NO), (None, MAYBE), (True, NO)])
def test_a_field_holds_one_of_the_codes_or_not_or_is_not_known(value: object, expected: Applicability) -> None:
    values = {} if value is None else {"structure.statuts": value}
    situation = Situation(criteria={}, values=values)  # type: ignore[arg-type]
    assert _condition(field="structure.statuts", **{"in": ["ose", "oiv"]}).evaluate(situation) is expected


def test_a_technique_covers_its_sub_techniques_only() -> None:
    condition = _condition(technique=["T1078"])
    assert condition.evaluate(Situation({}, {}, ("T1078.004",))) is YES
    assert condition.evaluate(Situation({}, {}, ("T10789",))) is NO


def test_any_takes_the_strongest_and_all_the_weakest() -> None:
    parts = [{"criterion": "donnees_sante"}, {"criterion": "securite_soins"}]
    situation = Situation({"donnees_sante": "oui", "securite_soins": "inconnu"}, {})
    assert _condition(any=parts).evaluate(situation) is YES
    assert _condition(all=parts).evaluate(situation) is MAYBE
    assert _condition(all=parts).evaluate(Situation({"donnees_sante": "non"}, {})) is NO


@pytest.mark.parametrize(
    "parts",
    [{}, {"criterion": "nothing"}, {"field": "a.b"}, {"criterion": "donnees_sante", "technique": ["T1"]}, {"in": ["a"]}, {"other": 1}],
)
def test_refuses_a_condition_that_says_nothing_or_two_things(parts: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(parts)


def test_names_every_field_it_reads() -> None:
    condition = _condition(all=[{"field": "a.b", "in": ["x"]}, {"any": [{"field": "c.d", "in": ["y"]}, {"technique": ["T1"]}]}])
    assert condition.fields() == {"a.b", "c.d"}
