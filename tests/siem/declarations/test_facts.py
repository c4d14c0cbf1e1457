from dataclasses import replace

import pytest

from siem.declarations.facts import FACTS, MEASURED, Known, summary
from siem.declarations.model import Facts
from siem.incidents.model import CRITERIA, IncidentState
from tests.siem.declarations.world import ESTABLISHMENT, incident
from tests.siem.declarations.world import FACTS as NIGHT_FACTS

KNOWN = Known(incident(), NIGHT_FACTS, ESTABLISHMENT)
NOTHING = Known(incident(qualification={}, aware_at=None, entities={}, techniques=()), Facts(), None)


def test_every_fact_can_be_read_with_nothing_known_and_guesses_no_number() -> None:
    read = {name: fact(NOTHING) for name, fact in FACTS.items()}
    assert {name for name, value in read.items() if value is not None} == {
        "structure.finess_eg",
        "incident.date_constat",
        "incident.date_debut",
        "incident.etat",
        "incident.ongoing",
        "incident.resume",
        "incident.etat_prise_en_charge",
        "incident.detection",
    }


def test_what_only_measures_tell_is_known_by_name() -> None:
    changed = {name for name, fact in FACTS.items() if fact(Known(incident(), Facts(), ESTABLISHMENT)) != fact(KNOWN)}
    assert changed <= MEASURED <= FACTS.keys()


@pytest.mark.parametrize(
    ("criterion", "fact", "no"),
    [
        ("securite_soins", "qualification.mise_en_danger", "aucune"),
        ("fonctionnement_normal", "qualification.fonctionnement", "aucun"),
        ("organisation_systeme_sante", "qualification.territoire", "aucun"),
        ("autres_structures", "qualification.autres_structures", "non"),
    ],
)
def test_a_no_on_a_criterion_says_there_is_no_such_impact_and_an_open_question_says_nothing(criterion: str, fact: str, no: str) -> None:
    answers = {answer: FACTS[fact](replace(KNOWN, incident=incident(qualification={criterion: answer}))) for answer in ("non", "inconnu")}
    assert answers == {"non": no, "inconnu": None}
    assert criterion in CRITERIA


def test_a_service_nobody_named_leaves_the_list_of_systems_unknown() -> None:
    strange = replace(KNOWN, facts=replace(NIGHT_FACTS, services=("dossier-patient", "inconnue")))
    assert FACTS["incident.si_concernes"](KNOWN) == ["dpi"]
    assert FACTS["incident.si_concernes"](strange) is None


def test_a_count_that_was_not_measured_is_not_zero() -> None:
    assert FACTS["incident.nb_dossiers"](NOTHING) is None
    assert FACTS["incident.nb_dossiers"](replace(NOTHING, facts=Facts(patient_count=0))) == 0


def test_the_summary_tells_counts_and_instants_of_paris() -> None:
    text = summary(KNOWN)
    assert "22\u00a0nov.\u00a02026, 01:14" in text
    assert "5 alertes de la veille, 64 événements à l’appui, 1 compte de professionnel, 47 dossiers de patients consultés" in text
    assert "1 export de données." in text


def test_a_closed_incident_is_resolved() -> None:
    closed = replace(KNOWN, incident=incident(state=IncidentState.CLOSED))
    assert (FACTS["incident.etat"](closed), FACTS["incident.ongoing"](closed)) == ("resolu", False)
