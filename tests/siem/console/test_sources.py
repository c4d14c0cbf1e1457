from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

from siem.detection.alarms import Alarm
from siem.detection.profile import UnseenField
from siem.event import Event
from siem.incidents.model import Incident
from siem.store.events import StoredEvent
from tests.siem.console.world import ANALYST, NOW, World


def test_every_source_shows_its_counts_rhythm_and_what_was_set_aside(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/sources").text.replace("\u202f", " ")
    assert "1 204" in page and "1 200" in page and "a number expected, not &#39;abc&#39;" in page and page.count('class="spark"') == 3
    assert "broken" not in page  # the bytes themselves may name a person


def test_a_source_that_never_spoke_or_fell_silent_comes_first(world: World, incident: Incident) -> None:
    world.now += timedelta(hours=2)
    page = world.client(ANALYST).get("/sources").text
    assert page.index("messagerie-nginx") < page.index("dossier-patient-acces")
    assert page.count("Silencieuse") == 3 and page.count("Rien reçu") == 1


def test_a_source_is_silent_after_what_is_said_of_it(world: World, incident: Incident) -> None:
    patient = [replace(one, silent_after=timedelta(days=1)) if one.name == "idp" else one for one in world.services.sources]
    object.__setattr__(world.services, "sources", tuple(patient))
    world.now += timedelta(hours=2)
    page = world.client(ANALYST).get("/sources").text.replace("\xa0", " ")
    assert page.count("Silencieuse") == 2 and "silencieuse au bout de 1 j<" in page and "silencieuse au bout de 15 min<" in page
    world.now += timedelta(hours=23)
    assert world.client(ANALYST).get("/sources").text.count("Silencieuse") == 3


def test_what_waits_is_said(world: World) -> None:
    object.__setattr__(world.services, "backlog", lambda: 1234)
    assert "1 234 enregistrements reçus attendent" in world.client(ANALYST).get("/sources").text.replace("\u202f", " ")


def test_a_rule_that_lost_matches_for_want_of_room_is_named(world: World) -> None:
    page = world.client(ANALYST).get("/sources").text
    assert "La place a manqué" not in page
    rule = next(iter(world.services.rules.values()))
    alarms = (Alarm(rule.id, ANALYST.tenant, 1500), Alarm(rule.id, "another", 77), Alarm("gone", ANALYST.tenant, 88))
    object.__setattr__(world.services, "alarms", lambda: alarms)
    page = world.client(ANALYST).get("/sources").text.replace("\u202f", " ")
    assert "La place a manqué" in page and f"/regles/{rule.id}" in page and "1 500 correspondances oubliées" in page
    assert "77" not in page.split("La place a manqué")[1].split("</div>")[0]


def test_what_rules_miss_in_a_source_and_what_nobody_reads_of_it_stand_side_by_side(world: World, incident: Incident) -> None:
    rule_id = next(iter(world.services.rules))
    nowhere = UnseenField("idp", "health.device.id", (rule_id,), ("labels.device",))
    missing = [nowhere, UnseenField("elsewhere", "Image", (rule_id,))]
    object.__setattr__(world.services, "profiles", lambda: SimpleNamespace(unseen=lambda: missing))
    names = {f"labels.n{number:02d}": "x" for number in range(9)}
    event = Event("more", NOW, "idp", "default", {"event.action": "login.succeeded", "Read": "1", **names})
    world.events.append([StoredEvent(9000, event)])
    page = world.client(ANALYST).get("/sources").text.replace("\xa0", " ")
    section = page.split('id="champs"')[1]
    assert "health.device.id" in section and "labels.device" in section and f"/regles/{rule_id}" in section and "Image" not in section
    assert "labels.n08" in section and "et 4 autres" in section and section.count('class="what"') == 1
    object.__setattr__(world.services, "profiles", lambda: None)
    assert "Tout ce que les règles demandent est arrivé" in world.client(ANALYST).get("/sources").text
