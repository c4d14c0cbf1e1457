from siem.incidents.model import Incident
from siem.response.model import Run, StepState
from tests.siem.console.world import ANALYST, AUDITOR, DIRECTOR, LEAD, World, csrf


def _waiting(world: World, incident: Incident) -> tuple[Run, str]:
    run = next(run for run in world.runs.of_incident(ANALYST, incident.id) if run.state == "waiting")
    return run, next(step.step_id for step in run.steps if step.state is StepState.AWAITING_APPROVAL)


def _decide(world: World, person, run: Run, step: str, **data: str):  # type: ignore[no-untyped-def]
    browser = world.client(person)
    return browser, browser.post(f"/executions/{run.id}/etapes/{step}", data={"csrf": csrf(browser.get("/preferences").text), **data})


def test_the_path_shows_what_was_done_and_what_waits(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    page = world.client(LEAD).get(f"/executions/{run.id}").text
    assert page.count('class="step step-successfully_completed"') == 2 and page.count("step-pending") >= 2
    assert f'id="etape-{step}"' in page and "Peut être défaite" in page and "À décider avant" in page


def test_approving_without_a_reason_is_refused_beside_the_field(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    _, refused = _decide(world, LEAD, run, step, decision="approuver", motif="")
    assert refused.status_code == 422 and f'href="#motif-{step}"' in refused.text and f'id="erreur-motif-{step}"' in refused.text


def test_an_approval_lets_the_run_go_on_to_its_end(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    browser, done = _decide(world, LEAD, run, step, decision="approuver", motif="Confirmé par téléphone")
    assert done.headers["location"] == f"/executions/{run.id}#etape-{step}"
    while world.runs.advance():
        pass
    page = browser.get(f"/executions/{run.id}").text
    assert "Approuvé par Hugo Lefèvre-Essai" in page and "Terminé" in page
    assert world.runs.get(ANALYST, run.id).state == "completed"


def test_a_refusal_is_kept_with_its_reason_and_can_be_retried(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    browser, _ = _decide(world, LEAD, run, step, decision="refuser", motif="Le médecin est en salle")
    page = browser.get(f"/executions/{run.id}").text
    assert "Refusé par Hugo Lefèvre-Essai" in page and "Le médecin est en salle" in page and 'value="relancer"' in page


def test_who_may_not_decide_sees_whom_it_waits_for(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    for person in (AUDITOR, DIRECTOR):
        page = world.client(person).get(f"/executions/{run.id}").text
        assert "Attend une personne ayant ce rôle" in page and 'value="approuver"' not in page
        assert _decide(world, person, run, step, decision="approuver", motif="x")[1].status_code == 403


def test_an_unknown_decision_is_refused(world: World, incident: Incident) -> None:
    run, step = _waiting(world, incident)
    assert _decide(world, LEAD, run, step, decision="peut-etre")[1].status_code == 400


def test_a_run_can_be_stopped(world: World, incident: Incident) -> None:
    run, _ = _waiting(world, incident)
    browser = world.client(LEAD)
    token = csrf(browser.get("/preferences").text)
    assert browser.post(f"/executions/{run.id}/arret", data={"csrf": token, "motif": ""}).status_code == 422
    assert browser.post(f"/executions/{run.id}/arret", data={"csrf": token, "motif": "Levée de doute"}).status_code == 303
    assert world.runs.get(ANALYST, run.id).state == "cancelled"
