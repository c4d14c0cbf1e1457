from datetime import datetime, timedelta

import pytest

from siem.declarations.conditions import Situation
from siem.declarations.deadlines import Clocks, clocks_of, compute, offset_text
from siem.declarations.durations import parse_offset
from siem.declarations.model import Applicability, Deadline, DeadlineStatus, Transmission
from siem.declarations.wording import PARIS
from tests.siem.declarations.world import DIRECTOR, NIGHT, QUALIFIED, World, forms

FORMS = forms().forms
AWARE = NIGHT - timedelta(hours=1)
SITUATION = Situation(QUALIFIED, {"structure.statuts": ["entite_essentielle"], "impact.donnees.categories": ["caractere_personnel"]})


def _at(now: datetime, situation: Situation = SITUATION, **clocks: object) -> dict[tuple[str, str], Deadline]:
    started = {"detected_at": NIGHT - timedelta(hours=2), "aware_at": AWARE, **clocks}
    return {(d.form_id, d.rule_id): d for d in compute(FORMS, Clocks(**started), situation, now)}  # type: ignore[arg-type]


def test_legal_clocks_start_when_a_person_takes_note_not_at_detection() -> None:
    cnil = _at(NIGHT)["cnil_violation", "notification"]
    assert (cnil.started_at, cnil.due_at) == (AWARE, AWARE + timedelta(hours=72))
    assert cnil.legal
    assert cnil.remaining == timedelta(hours=71)
    assert _at(NIGHT, aware_at=None)["cnil_violation", "notification"].status is DeadlineStatus.WAITING


def test_without_delay_is_a_target_of_ours_and_says_so() -> None:
    target = _at(NIGHT, qualified_at=NIGHT)["cert_sante_incident", "declaration"]
    assert (target.force, target.due_word, target.due_at) == ("target", "sans délai", NIGHT + timedelta(hours=4))
    assert "objectif" in target.legal_basis


def test_the_stages_of_the_directive_are_not_called_law() -> None:
    assert {d.force for (form, rule), d in _at(NIGHT).items() if form == "anssi_nis2" and rule != "ose"} == {"directive"}


@pytest.mark.parametrize(
    ("hours", "status"),
    [(0, "running"), (47.9, "running"), (48, "soon"), (72, "soon"), (72.1, "overdue")],
)
def test_a_clock_runs_then_warns_then_is_overdue(hours: float, status: str) -> None:
    assert _at(AWARE + timedelta(hours=hours))["cnil_violation", "notification"].status.value == status


@pytest.mark.parametrize(("hours", "status"), [(72, "done"), (72.1, "done_late")])
def test_what_was_sent_is_done_in_time_or_late(hours: float, status: str) -> None:
    sent = {("cnil_violation", "notification"): AWARE + timedelta(hours=hours)}
    assert _at(AWARE + timedelta(days=9), sent=sent)["cnil_violation", "notification"].status.value == status


def test_the_final_report_is_due_a_month_after_the_notification_was_sent_not_after_awareness() -> None:
    notified = datetime(2027, 1, 31, 10, 0, tzinfo=PARIS)
    due = _at(notified, sent={("anssi_nis2", "notification"): notified})["anssi_nis2", "rapport_final"]
    assert due.due_at == datetime(2027, 2, 28, 10, 0, tzinfo=PARIS)
    assert (due.provisional, due.status) == (False, DeadlineStatus.RUNNING)


def test_before_the_notification_the_final_report_is_shown_from_its_latest_instant_as_provisional() -> None:
    due = _at(NIGHT)["anssi_nis2", "rapport_final"]
    assert (due.provisional, due.status, due.remaining) == (True, DeadlineStatus.WAITING, None)
    assert due.started_at == AWARE + timedelta(hours=72)


def test_a_qualification_without_its_instant_counts_from_when_a_person_took_note() -> None:
    assert _at(NIGHT)["cert_sante_incident", "declaration"].started_at == AWARE
    undecided = Situation({}, {})
    assert _at(NIGHT, undecided)["cert_sante_incident", "declaration"].status is DeadlineStatus.WAITING


def test_a_duty_that_does_not_apply_is_left_out_and_one_not_yet_known_is_kept() -> None:
    none = Situation(dict.fromkeys(QUALIFIED, "non"), {"structure.statuts": ["aucun"], "impact.donnees.categories": ["techniques"]})
    assert _at(NIGHT, none) == {}
    unknown = _at(NIGHT, Situation({}, {}))
    assert {d.applicability for d in unknown.values()} == {Applicability.A_CONFIRMER}


def test_the_most_urgent_comes_first() -> None:
    deadlines = compute(FORMS, Clocks(detected_at=AWARE, aware_at=AWARE), SITUATION, AWARE + timedelta(hours=30))
    assert deadlines[0].status is DeadlineStatus.OVERDUE
    running = [d.due_at for d in deadlines if d.remaining is not None]
    assert running == sorted(running, key=lambda due: due or NIGHT)


def test_a_step_sent_twice_counts_from_the_first_time(world: World) -> None:
    dossier = world.dossiers.get(world.opened(), DIRECTOR)
    sent = [Transmission(form_id="f", stage="s", at=NIGHT + timedelta(hours=h), channel="", reference="", actor="") for h in (2, 1, 3)]
    assert clocks_of(dossier, sent).sent == {("f", "s"): NIGHT + timedelta(hours=1)}


@pytest.mark.parametrize(("text", "words"), [("PT72H", "72 h"), ("P1M", "1 mois"), ("P7D", "7 jours"), ("PT90M", "90 min")])
def test_a_duration_in_words(text: str, words: str) -> None:
    assert offset_text(parse_offset(text)) == words
