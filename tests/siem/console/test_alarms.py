from pathlib import Path

import pytest

from siem.access import Principal
from siem.detection.alarms import Kind, Raised
from siem.detection.engine import Engine as DetectionEngine
from siem.detection.load import load_rules
from siem.detection.match import OutOfForce
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.incidents import detection_alarms
from siem.incidents.filters import AlertFilter
from siem.incidents.service import Incidents
from siem.pipeline import Parts, Pipeline
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.queue import Queue
from tests.siem.console.world import ANALYST, AUDITOR, LEAD, RULES, World, csrf

RULE = next(iter(RULES))


class Engine:
    """What the console asks of the engine: which rules are out, and to put one back."""

    def __init__(self) -> None:
        self.out = {RULE: OutOfForce(RULE, "took more than 100 ms on a text of 9000 characters", None, 12)}

    def put_back(self, rule_id: str) -> bool:
        return self.out.pop(rule_id, None) is not None


@pytest.fixture
def engine(world: World) -> Engine:
    made = Engine()
    object.__setattr__(world.services, "out_of_force", lambda: tuple(made.out.values()))
    object.__setattr__(world.services, "put_back", made.put_back)
    with world.database.transaction() as connection:
        detection_alarms.note(
            connection,
            [
                Raised(Kind.OUT_OF_FORCE, RULE, "", 12, made.out[RULE].problem),
                Raised(Kind.DISAGREEMENT, "5f3b0000-0000-4000-8000-000000000006", "default", 2, event_ids=("e-one", "e-two")),
            ],
            world.now,
        )
    return made


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize("path", ["/alertes", "/incidents", "/sources", "/recherche", "/regles", "/risques", "/nulle-part"])
def test_whoever_may_act_sees_the_alarm_on_every_page_and_nobody_else(world: World, engine: Engine, path: str) -> None:
    assert "La détection a 2 défauts" in plain(world.client(LEAD).get(path).text)
    assert "La détection a 2 défauts" not in plain(world.client(ANALYST).get(path).text)


@pytest.mark.parametrize("person", [ANALYST, AUDITOR], ids=["analyste", "auditeur"])
def test_whoever_may_read_rules_reads_why_and_since_when_without_a_button(world: World, engine: Engine, person: Principal) -> None:
    for path in ("/alarmes", f"/regles/{RULE}"):
        page = plain(world.client(person).get(path).text)
        assert "12 événements non jugés" in page and "took more than 100 ms on a text of 9000 characters" in page
        assert "22 nov. 2026, 03:14" in page and "Remettre en service" not in page and "Seul le responsable" in page


def test_the_rule_is_put_back_once_and_the_history_says_by_whom(world: World, engine: Engine) -> None:
    browser = world.client(LEAD)
    page = browser.get(f"/regles/{RULE}").text
    where = page.split('action="/alarmes/')[1].split('"')[0]
    token = csrf(page)
    assert browser.post(f"/alarmes/{where}", data={"action": "remettre"}).status_code == 403 and engine.out
    assert browser.post(f"/alarmes/{where}", data={"action": "autre", "csrf": token}).status_code == 400 and engine.out
    data = {"action": "remettre", "csrf": token, "retour": f"/regles/{RULE}"}
    assert world.client(ANALYST).post(f"/alarmes/{where}", data=data).status_code == 403 and engine.out
    answer = browser.post(f"/alarmes/{where}", data=data)
    assert answer.headers["location"] == f"/regles/{RULE}" and not engine.out
    page = plain(browser.get(f"/regles/{RULE}").text)
    assert "La règle est remise en service." in page and "Historique (1 changement)" in page and LEAD.name in page
    assert browser.post(f"/alarmes/{where}", data=data).status_code == 404
    assert "La détection a un défaut" in plain(browser.get("/alertes").text)


def test_a_disagreement_is_kept_with_its_events_until_somebody_takes_note(world: World, engine: Engine) -> None:
    browser = world.client(LEAD)
    page = browser.get("/alarmes").text
    assert "e-one" in page and "e-two" in page and "2 événements jugés autrement" in plain(page)
    numbers = [part.split('"')[0] for part in page.split('action="/alarmes/')[1:]]
    for number in numbers:
        data = {"action": "noter", "csrf": csrf(page), "retour": "//evil.example"}
        assert browser.post(f"/alarmes/{number}", data=data).headers["location"] == "/"
    assert engine.out, "taking note puts no rule back"
    page = plain(browser.get("/alarmes").text)
    assert "La détection va bien" in page and "Alarmes dont quelqu’un a pris note" in page and LEAD.name in page


def test_a_rule_that_came_back_by_itself_says_so(world: World, engine: Engine) -> None:
    engine.out.clear()
    page = world.client(LEAD).get("/alarmes").text
    assert "de nouveau en service" in page and "Remettre en service" not in page


BOMB = """\
title: Look-around that goes back and back
id: 00000000-0000-4000-8000-0000000000b0
logsource: {product: nginx, category: webserver}
detection:
  selection: {http.response.status_code: 200}
  filter: {user_agent.original|re: "(c.*)(c.*)(c.*)\\\\1c.*d"}
  condition: selection and not filter
"""


def test_a_rule_that_goes_off_in_the_pipeline_stands_in_the_banner_until_it_is_put_back(world: World, tmp_path: Path) -> None:
    """From a line of a log to the head of every page, and back into force."""
    (folder := tmp_path / "bomb").mkdir()
    (folder / "bomb.yml").write_text(BOMB, "utf-8")
    ruleset = load_rules(folder)
    assert ruleset.errors == ()
    (rule,) = ruleset.rules.values()
    queue = Queue(folder / "queue.sqlite", synchronous="normal")
    parts = Parts(
        queue=queue,
        events=world.events,
        database=world.database,
        sources={"front": SOURCES["nginx"](SourceSettings("front", "nginx", "Portail"))},
        enrichments=(),
        pseudonyms=Pseudonyms(bytes(32)),
        make_engine=lambda: DetectionEngine(ruleset, sources=["front"]),
        incidents=Incidents(world.database, lambda: world.now, ruleset.rules),
    )
    pipeline = Pipeline(parts, clock=lambda: world.now)
    object.__setattr__(world.services, "rules", ruleset.rules)
    object.__setattr__(world.services, "out_of_force", lambda: pipeline.engine.out_of_force if pipeline.engine else ())
    object.__setattr__(world.services, "put_back", lambda rule_id: pipeline.engine is not None and pipeline.engine.put_back(rule_id))

    def came(number: int, agent: str) -> None:
        line = f'192.0.2.7 - - [22/Nov/2026:03:1{number}:00 +0000] "GET /{number} HTTP/1.1" 200 10 "-" "{agent}"'
        queue.put([RawRecord("front", str(number), world.now, line.encode())])
        while pipeline.step():
            pass

    came(1, "x" + "c" * 9000)
    came(2, "Firefox")
    browser = world.client(LEAD)
    assert "La détection a un défaut" in plain(browser.get("/alertes").text)
    page = plain(browser.get("/alarmes").text)
    assert rule.title in page and "2 événements non jugés" in page and "100 ms" in page
    with world.database.reading() as connection:
        assert [one.rule_id for one in detection_alarms.standing(connection, LEAD)] == [rule.id]
    where = page.split('action="/alarmes/')[1].split('"')[0]
    browser.post(f"/alarmes/{where}", data={"action": "remettre", "csrf": csrf(page), "retour": "/alarmes"})
    assert pipeline.engine is not None and pipeline.engine.out_of_force == ()
    assert "La détection a un défaut" not in plain(browser.get("/alertes").text)
    came(3, "Firefox")
    raised = parts.incidents.alerts(LEAD, AlertFilter(rule_id=rule.id))
    assert raised.total == 1, "it judges again"
    queue.close()
