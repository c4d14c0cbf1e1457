"""The worked examples are the questions and answers of CERT Santé, read on its site."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.declarations.model import Content
from siem.declarations.proposal import Circumstances, circumstances_of, propose
from siem.incidents.model import CRITERIA

NO = dict.fromkeys(CRITERIA, "non")


@pytest.mark.parametrize(
    ("case", "criteria", "circumstances", "decision"),
    [
        ("website defacement", NO, Circumstances(malicious=True, data_affected=True), "a_declarer"),
        ("patient record down, back-up procedures started", NO, Circumstances(degraded_mode=True, unavailable=True), "a_declarer"),
        ("internal network cut, remote sites on paper", NO, Circumstances(degraded_mode=True), "a_declarer"),
        ("internal network cut, sites go on working", NO, Circumstances(degraded_mode=False, unavailable=True), "non"),
        ("air conditioning, whole infrastructure stopped", NO, Circumstances(care_stopped=True), "a_declarer"),
        ("air conditioning, the second room takes over", NO, Circumstances(care_stopped=False, unavailable=False), "non"),
        ("electrical failure, hours to restart", NO | {"fonctionnement_normal": "oui"}, Circumstances(unavailable=True), "a_declarer"),
        ("bug at the heart of care", NO, Circumstances(care_application=True), "recommande"),
        ("inflow of spam without effect", NO, Circumstances(malicious=True, unavailable=False, data_affected=False), "recommande"),
        ("suspicion of a malicious act that stops a system", NO, Circumstances(malicious=True, unavailable=True), "a_declarer"),
        ("nothing at all", NO, Circumstances(), "non"),
    ],
)
def test_answers_as_the_official_examples_do(case: str, criteria: dict[str, str], circumstances: Circumstances, decision: str) -> None:
    proposal = propose(criteria, circumstances)
    assert proposal.decision == decision, case
    assert proposal.reasons


@given(st.fixed_dictionaries({key: st.sampled_from(["oui", "non", "inconnu"]) for key in CRITERIA}))
def test_any_criterion_makes_it_due_and_the_last_two_make_it_significant(criteria: dict[str, str]) -> None:
    proposal = propose(criteria)
    met = [key for key in CRITERIA if criteria[key] == "oui"]
    assert (proposal.decision == "a_declarer") == bool(met)
    assert (proposal.level == "significatif") == bool({"organisation_systeme_sante", "autres_structures"} & set(met))
    assert (proposal.level == "grave") == (bool(met) and proposal.level != "significatif")
    assert (proposal.decision == "non") == (not met and "inconnu" not in criteria.values())


def test_an_open_question_is_named_and_never_taken_for_a_no() -> None:
    proposal = propose(NO | {"securite_soins": "inconnu"})
    assert proposal.decision == "recommande"
    assert "sécurité des soins" in proposal.reasons[0]


def test_speaks_english_when_asked() -> None:
    assert propose(NO, language="en").decision_label == "No declaration proposed"


def test_circumstances_come_from_what_the_dossier_says_and_unknown_stays_unknown() -> None:
    assert circumstances_of(Content()) == Circumstances()
    content = Content(
        values={"origine.malveillance": "malveillante", "impact.fonctionnement": "interruption", "impact.donnees.nature": ["divulgation"]}
    )
    known = circumstances_of(content)
    assert (known.malicious, known.degraded_mode, known.care_stopped, known.unavailable, known.data_affected) == (
        True,
        True,
        True,
        False,
        True,
    )
