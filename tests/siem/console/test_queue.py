import re

from sqlalchemy import select, update

from siem.incidents.filters import AlertFilter
from siem.incidents.model import AlertState, Incident, Verdict
from siem.incidents.store import alert_events, alerts
from siem.store import filter_hits
from tests.siem.console.world import ANALYST, AUDITOR, LEAD, World, csrf

EVERY = AlertFilter(limit=100)


def test_alerts_stand_under_their_incident_gravest_first(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/alertes").text
    assert (
        page.index(incident.number)
        < page.index("Balayage de dossiers patients")
        < page.index("Sans incident")
        < page.index("Exploration d’adresses")
    )
    assert "6 alertes" in page and "P-4F7K2M9QXA a ouvert 44 dossiers" in page


def test_titles_follow_the_readers_language(world: World, incident: Incident) -> None:
    page = world.client(ANALYST, **{"accept-language": "en"}).get("/alertes").text
    assert "Sweep of patient records" in page and "Balayage de dossiers" not in page and '<html lang="en"' in page


def test_filters_narrow_the_list(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    assert "Exploration" not in browser.get("/alertes?severite=high").text
    assert "1 alerte" in browser.get("/alertes?q=198.51.100.23").text
    assert "0 alerte" in browser.get("/alertes?assigne=moi").text
    assert "Aucune alerte pour ce filtre" in browser.get("/alertes?etat=closed").text


def test_an_empty_queue_says_what_would_be_there(world: World) -> None:
    page = world.client(ANALYST).get("/alertes").text
    assert "Rien à traiter" in page and "dès qu’une règle" in page


def _post(world: World, person, **data):  # type: ignore[no-untyped-def]
    browser = world.client(person)
    return browser, browser.post("/alertes/actions", data={"csrf": csrf(browser.get("/preferences").text), **data})


def test_ticked_alerts_are_assigned_together_and_it_is_said(world: World, incident: Incident) -> None:
    ids = [alert.id for alert in world.incidents.alerts(ANALYST, EVERY).items][:3]
    browser, answer = _post(world, ANALYST, action="assigner", alerte=ids, retour="/alertes?severite=high")
    assert answer.status_code == 303 and answer.headers["location"] == "/alertes?severite=high"
    assert "3 alertes attribuées." in browser.get("/alertes").text
    assert {alert.assignee for alert in world.incidents.alerts(ANALYST, EVERY).items if alert.id in ids} == {ANALYST.subject}


def test_closing_needs_a_verdict_and_a_reason_and_keeps_what_was_typed(world: World, incident: Incident) -> None:
    alert = world.incidents.alerts(ANALYST, AlertFilter(subject="198.51.100.23")).items[0]
    _, refused = _post(world, ANALYST, action="classer", alerte=alert.id, motif="Robot connu")
    assert refused.status_code == 422 and 'href="#verdict"' in refused.text and "Robot connu" in refused.text
    _, done = _post(world, ANALYST, action="classer", alerte=alert.id, verdict=Verdict.FALSE_POSITIVE.value, motif="Robot connu")
    closed = world.incidents.alert(ANALYST, alert.id)
    assert done.status_code == 303 and (closed.state, closed.verdict) == (AlertState.CLOSED, Verdict.FALSE_POSITIVE)


def test_nothing_ticked_is_said_and_changes_nothing(world: World, incident: Incident) -> None:
    _, answer = _post(world, ANALYST, action="acquitter")
    assert answer.status_code == 422 and "Cochez au moins une alerte" in answer.text


def test_a_whole_filter_can_be_acted_on(world: World, incident: Incident) -> None:
    _post(world, LEAD, action="acquitter", tout="oui", **{"f.severite": "high"})
    states = {(alert.severity, alert.state) for alert in world.incidents.alerts(ANALYST, EVERY).items}
    assert ("high", AlertState.NEW) not in states and ("low", AlertState.NEW) in states


def test_alerts_become_an_incident(world: World, incident: Incident) -> None:
    alert = world.incidents.alerts(ANALYST, AlertFilter(subject="198.51.100.23")).items[0]
    _, answer = _post(world, ANALYST, action="escalader", alerte=alert.id, motif="À regarder de près")
    made = world.incidents.alert(ANALYST, alert.id).incident_id
    assert made not in {None, incident.id} and answer.headers["location"] == f"/incidents/{made}"


def test_an_unknown_action_is_refused(world: World, incident: Incident) -> None:
    alert = world.incidents.alerts(ANALYST, EVERY).items[0]
    assert _post(world, ANALYST, action="effacer", alerte=alert.id)[1].status_code == 400


def test_who_may_only_read_sees_no_action(world: World, incident: Incident) -> None:
    page = world.client(AUDITOR).get("/alertes").text
    assert "Balayage" in page and not re.search(r'name="action"|name="alerte"', page)


def test_the_sentence_follows_the_readers_language(world: World, incident: Incident) -> None:
    english = world.client(ANALYST, **{"accept-language": "en"}).get("/alertes").text
    assert "Sweep of patient records, in English: P-4F7K2M9QXA, 44." in english and "a ouvert 44 dossiers" not in english


def test_what_a_silence_holds_is_counted_beside_the_alert_and_leads_to_it(world: World, incident: Incident) -> None:
    alert = next(one for one in world.incidents.alerts(ANALYST, EVERY).items if one.rule_title == "Web scan")
    with world.database.transaction() as connection:
        connection.execute(update(alerts).where(alerts.c.id == alert.id).values(suppressed_count=12))
        some = select(alert_events.c.event_id).where(alert_events.c.alert_id == alert.id).limit(12)
        connection.execute(
            update(alert_events).where(alert_events.c.alert_id == alert.id, alert_events.c.event_id.in_(some)).values(suppressed=True)
        )
    browser = world.client(ANALYST)
    page = browser.get("/alertes").text
    assert page.count("+12 retenus") == 1 and f'href="/alertes/{alert.id}#retenues"' in page
    page = browser.get(f"/alertes/{alert.id}").text.replace("\xa0", " ")
    assert "12 événements retenus par le silence de la règle" in page
    held = page.split('id="retenues"')[1].split("</table>")[0]
    assert "198.51.100.23" in held and '<td class="num" data-label="Événements">12</td>' in held


def test_what_filters_hide_is_said_below_the_queue_and_beside_the_rule_of_an_alert(world: World, incident: Incident) -> None:
    (own := world.folder / "local-rules").mkdir()
    text = "title: The probe\nlogsource: {product: test}\nfilter:\n  rules: any\n  known: {source.ip: 192.0.2.7}\n  condition: not known\n"
    (own / "probe.yml").write_text(text, encoding="utf-8")
    broken_glass = "5f3b0000-0000-4000-8000-000000000004"
    assert "masquée" not in world.client(ANALYST).get("/alertes").text
    with world.database.transaction() as connection:
        probe, gone = ("local-rules/probe.yml", broken_glass), ("local-rules/gone.yml", broken_glass)
        filter_hits.add(connection, {(*probe, "default"): (12, world.now), (*gone, "default"): (7, world.now)})
        filter_hits.add(connection, {(*probe, "other"): (31, world.now)})
    page = world.client(ANALYST).get("/alertes").text.replace("\xa0", " ")
    assert '<a href="/regles#filtres">12 correspondances sont masquées par des filtres et ne lèvent pas d’alerte</a>' in page
    (alert, *_) = world.incidents.alerts(ANALYST, AlertFilter(rule_id=broken_glass)).items
    page = world.client(ANALYST).get(f"/alertes/{alert.id}").text.replace("\xa0", " ")
    assert f'<a href="/regles/{broken_glass}#filtres">12 correspondances de cette règle sont masquées par des filtres</a>' in page
