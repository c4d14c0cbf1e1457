from siem.history.trials import State
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, AUDITOR, World, csrf

GLASS = "5f3b0000-0000-4000-8000-000000000004"
PAGE = f"/regles/{GLASS}/essai"


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


def ask(world: World, **more: str) -> int:
    browser = world.client(ANALYST)
    return browser.post(PAGE, data={"csrf": csrf(browser.get(PAGE).text), **more}).status_code


def test_a_backtest_says_what_it_may_cost_runs_and_shows_days_and_subjects(world: World, incident: Incident) -> None:
    page = plain(world.client(ANALYST).get(PAGE).text)
    assert "Aucun essai" in page and "après 60 s de calcul" in page and "30 jours – 233 événements" in page
    assert "par Équipe Veilleur · licence Detection Rule License 1.1" in page
    assert ask(world, jours="30") == 303
    page = plain(world.client(ANALYST).get(PAGE).text)
    assert "En attente" in page and "data-refresh" in page and "Vous pouvez quitter cette page" in page
    world.services.trials.step()
    page = plain(world.client(ANALYST).get(PAGE).text)
    assert "data-refresh" not in page and "1 alerte, 1,0 par jour" in page and "P-4F7K2M9QXA" in page
    assert page.count('class="stick"') == 1 and 'datetime="2026-11-22"' in page and "Claire Martin-Essai" in page
    english = world.client(ANALYST, **{"accept-language": "en"}).get(PAGE).text
    assert "1 alert, 1.0 a day" in english and "Repeated break-glass" in english


def test_whoever_only_reads_sees_the_figures_and_no_button(world: World, incident: Incident) -> None:
    ask(world, jours="7")
    world.services.trials.step()
    page = plain(world.client(AUDITOR).get(PAGE).text)
    assert "1 alerte" in page and "Relancer" not in page and "demande le droit de chercher" in page
    browser = world.client(AUDITOR)
    assert browser.post(PAGE, data={"csrf": csrf(page), "jours": "7"}).status_code == 403


def test_a_span_that_is_not_offered_and_a_rule_that_is_none_are_refused(world: World) -> None:
    assert ask(world, jours="9999") == 400 and ask(world) == 400
    assert world.client(ANALYST).get("/regles/none/essai").status_code == 404
    for number in range(20):
        world.services.trials.ask("default", f"other-{number}", world.now - world.now, "8997")
    assert ask(world, jours="7") == 422


def test_it_is_stopped_by_hand(world: World, incident: Incident) -> None:
    ask(world, jours="7")
    assert ask(world, action="arreter") == 303
    trial = world.services.trials.of("default", GLASS)
    assert trial is not None and trial.state is State.STOPPED
    assert "Essai arrêté" in world.client(ANALYST).get(PAGE).text
