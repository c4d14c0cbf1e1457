from sqlalchemy import update

from siem.console.alert import listed_value_of
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Alert, Incident
from siem.incidents.store import alerts, dump
from tests.siem.console.world import ANALYST, World


def _sweep(world: World) -> Alert:
    return next(alert for alert in world.incidents.alerts(ANALYST, AlertFilter()).items if "Sweep" in alert.rule_title)


def test_says_why_it_fired_and_under_whose_rule(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get(f"/alertes/{_sweep(world).id}").text
    assert '<p class="sentence">P-4F7K2M9QXA a ouvert 44 dossiers de patients différents en une heure.</p>' in page
    assert (
        "par Équipe Veilleur" in page and "licence Detection Rule License 1.1" in page and "event.action: device_approval.granted" in page
    )


def test_says_it_in_english_with_the_same_values(world: World, incident: Incident) -> None:
    page = world.client(ANALYST, **{"accept-language": "en"}).get(f"/alertes/{_sweep(world).id}").text
    assert "in English: P-4F7K2M9QXA, 44." in page


def test_the_fields_the_rule_looked_at_are_marked_in_its_events(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get(f"/alertes/{_sweep(world).id}").text
    assert page.count("<mark>record.read</mark>") == 10 and "<mark>PAT-0000000043</mark>" in page
    assert "<mark>success</mark>" not in page and "Les 10 derniers sont montrés." in page


def test_shows_what_is_related_and_the_incident(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get(f"/alertes/{_sweep(world).id}").text
    assert incident.number in page and "Connexion depuis un pays inhabituel" in page and "Exploration d’adresses" not in page


def test_an_unknown_alert_is_not_found(world: World) -> None:
    assert world.client(ANALYST).get("/alertes/nothing").status_code == 404


def test_a_rule_that_is_gone_is_said(world: World, incident: Incident) -> None:
    alert = _sweep(world)
    kept = dict(world.services.rules)
    del kept[alert.rule_id]
    object.__setattr__(world.services, "rules", kept)
    page = world.client(ANALYST).get(f"/alertes/{alert.id}")
    assert page.status_code == 200 and "n’est plus chargée" in page.text


def test_what_a_feed_said_of_the_value_is_shown_with_its_terms_and_its_end(world: World, incident: Incident) -> None:
    alert = _sweep(world)
    assert listed_value_of(alert) is None and 'id="signalement"' not in world.client(ANALYST).get(f"/alertes/{alert.id}").text
    said = {
        "feed": "CERT d’exemple",
        "indicator": "Campagne <b>",
        "licence": "Licence Ouverte 2.0",
        "set": "cert",
        "confidence": "…",
        "tlp": "AMBER",
        "valid_until": "2020-01-01T00:00:00+00:00",
    }
    with world.database.transaction() as connection:
        connection.execute(update(alerts).where(alerts.c.id == alert.id).values(summary_values=dump(list(said.items()))))
    page = world.client(ANALYST).get(f"/alertes/{alert.id}").text
    panel = page.split('id="signalement"', 1)[1].split("</section>", 1)[0]
    assert "CERT d’exemple" in panel and "Campagne &lt;b&gt;" in panel and "Licence Ouverte 2.0" in panel and "AMBER" in panel
    assert "échu depuis" in panel and panel.count("non précisé") == 2, "neither the confidence nor a begin was stated"
