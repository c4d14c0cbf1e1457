from siem.incidents.model import CRITERIA, Incident, IncidentState
from tests.siem.console.world import ANALYST, AUDITOR, DIRECTOR, LEAD, World, csrf


def _post(world: World, person, path: str, **data):  # type: ignore[no-untyped-def]
    browser = world.client(person)
    return browser, browser.post(path, data={"csrf": csrf(browser.get("/preferences").text), **data})


def test_the_list_shows_what_how_bad_and_by_when(world: World, incident: Incident) -> None:
    _post(world, ANALYST, f"/incidents/{incident.id}/qualification", **dict.fromkeys(CRITERIA, "oui"), motif="Accès en masse")
    page = world.client(ANALYST).get("/incidents").text
    assert incident.number in page and "Critique" in page and "reste " in page and ANALYST.name in page


def test_an_empty_list_says_how_incidents_are_made(world: World) -> None:
    assert "deviennent un incident" in world.client(ANALYST).get("/incidents").text
    assert "Aucun incident pour ce filtre" in world.client(ANALYST).get("/incidents?q=zzz").text


def test_the_story_the_people_and_the_techniques_are_there(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get(f"/incidents/{incident.id}").text
    for told in (
        "demandes d’approbation refusées",
        "São Paulo",
        "203.0.113.40",
        "T1621",
        "T1020",
        "Préserver les preuves",
        "5 alertes réunies ici",
    ):
        assert told in page
    assert page.index("refusées sur") < page.index("Export de dossiers")


def test_the_number_leads_to_the_incident_too(world: World, incident: Incident) -> None:
    assert world.client(ANALYST).get(f"/incidents/{incident.number}").headers["location"] == f"/incidents/{incident.id}"


def test_one_thing_is_asked_at_a_time(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    assert "attend votre décision" in browser.get(f"/incidents/{incident.id}").text  # somebody waits: first
    run = next(run for run in world.runs.of_incident(ANALYST, incident.id) if run.state == "waiting")
    world.runs.cancel(run.id, LEAD, "Fausse manœuvre")
    assert "Prenez-le" in browser.get(f"/incidents/{incident.id}").text
    _post(world, ANALYST, f"/incidents/{incident.id}/assignation")
    assert "cinq questions" in browser.get(f"/incidents/{incident.id}").text
    _post(
        world,
        ANALYST,
        f"/incidents/{incident.id}/qualification",
        **dict.fromkeys(CRITERIA, "non") | {"donnees_sante": "oui"},
        motif="Accès en masse",
    )
    assert "une procédure de réponse est proposée" in browser.get(f"/incidents/{incident.id}").text
    assert "rien pour l’instant" in world.client(AUDITOR).get(f"/incidents/{incident.id}").text


def test_qualifying_needs_all_five_answers_and_keeps_those_given(world: World, incident: Incident) -> None:
    _, refused = _post(world, ANALYST, f"/incidents/{incident.id}/qualification", securite_soins="oui", motif="Au moins ceci")
    assert refused.status_code == 422 and "4 points sont à corriger" in refused.text and 'href="#donnees_sante"' in refused.text
    assert 'name="securite_soins" value="oui" checked' in refused.text and "Au moins ceci" in refused.text
    browser, done = _post(
        world, ANALYST, f"/incidents/{incident.id}/qualification", **dict.fromkeys(CRITERIA, "oui"), motif="Accès en masse"
    )
    assert done.status_code == 303 and "Qualification enregistrée : À déclarer" in browser.get(f"/incidents/{incident.id}").text.replace(
        "\u00a0", " "
    )
    changed = world.incidents.incident(ANALYST, incident.id)
    assert set(changed.qualification.values()) == {"oui"} and changed.state is IncidentState.QUALIFICATION and changed.aware_at == world.now


def test_a_move_that_is_not_allowed_is_refused_on_the_page(world: World, incident: Incident) -> None:
    _, refused = _post(world, ANALYST, f"/incidents/{incident.id}/etat", etat="recovery", motif="vite")
    assert refused.status_code == 422 and 'id="erreurs"' in refused.text
    _, moved = _post(world, ANALYST, f"/incidents/{incident.id}/etat", etat="qualification", motif="Je regarde")
    assert moved.status_code == 303 and world.incidents.incident(ANALYST, incident.id).state is IncidentState.QUALIFICATION


def test_notes_and_assignments_are_written(world: World, incident: Incident) -> None:
    _post(world, ANALYST, f"/incidents/{incident.id}/notes", texte="Appel au service des urgences <b>02:58</b>")
    _post(world, ANALYST, f"/incidents/{incident.id}/assignation", assigne_a=LEAD.subject)
    page = world.client(ANALYST).get(f"/incidents/{incident.id}").text
    assert "Appel au service des urgences &lt;b&gt;02:58" in page
    assert world.incidents.incident(ANALYST, incident.id).assignee == LEAD.subject
    _, empty = _post(world, ANALYST, f"/incidents/{incident.id}/notes", texte=" ")
    assert empty.status_code == 422


def test_a_proposed_playbook_starts(world: World, incident: Incident) -> None:
    run = next(run for run in world.runs.of_incident(ANALYST, incident.id) if run.state == "proposed")
    _, started = _post(world, ANALYST, f"/incidents/{incident.id}/executions", playbook_id=run.playbook_id)
    assert started.status_code == 303 and started.headers["location"].startswith("/executions/")
    assert {run.state for run in world.runs.of_incident(ANALYST, incident.id)} == {"running", "waiting"}


def test_the_dossier_is_opened_once(world: World, incident: Incident) -> None:
    _, first = _post(world, ANALYST, f"/incidents/{incident.id}/dossier")
    _, second = _post(world, ANALYST, f"/incidents/{incident.id}/dossier")
    assert first.headers["location"] == second.headers["location"] and len(world.dossiers.list(ANALYST)) == 1


def test_the_director_sees_the_incident_and_may_not_change_it(world: World, incident: Incident) -> None:
    page = world.client(DIRECTOR).get(f"/incidents/{incident.id}").text
    assert incident.number in page and 'id="qualification"' not in page and "/alertes/" not in page
    assert _post(world, DIRECTOR, f"/incidents/{incident.id}/notes", texte="x")[1].status_code == 403
