"""Whoever is shown a match is told who wrote the rule, and under which licence it stands (Detection Rule License 1.1).

The outlets are counted, not listed by hand where the product lists them itself: every page of the console, every playbook action,
every question about history, every command. A new one that shows a rule's title without its author fails here.
"""

import html
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pypdf
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from siem import briefing, console
from siem.access import WATCH, Principal, Role
from siem.cli import app
from siem.console import PAGES
from siem.detection import navigator
from siem.detection.credit import Credit
from siem.detection.junit import junit
from siem.detection.load import load_rules
from siem.detection.prove import test as prove
from siem.history import store
from siem.history.questions import KINDS, History
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident
from siem.incidents.timeline import tell
from siem.response.action import Context
from siem.response.actions import ACTIONS
from siem.response.actions.notify import Notify
from siem.settings import ROOT
from siem.store.database import Database
from siem.store.migrations import migrate
from tests.siem.console import world as worlds
from tests.siem.console.world import DIRECTOR, LEAD, RULES, World
from tests.siem.history.night import Night
from tests.siem.history.test_store import RUN

AUTHOR = "Ada <Lovelace> & Ch. Babbage, “Engine No. 1”"
LICENCE = "DRL 1.1"
EVERYTHING = Principal("899700000094", "Toute-Permission", frozenset(Role))
#: Pages that cannot be opened without more than the night: a log-in under way, a stream without end, a way on to another page.
NOT_OPENED = {"/", "/connexion", "/connexion/retour", "/deconnexion", "/flux", "/dossiers/{id}/recepisse", "/guichet/{number}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A night of rules that somebody else wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "RULES", {key: replace(rule, author=AUTHOR, licence=LICENCE) for key, rule in RULES.items()})
        patch.setattr(worlds, "TUNABLE", f"license: {LICENCE}\n" + worlds.TUNABLE.replace("Équipe Veilleur", f"'{AUTHOR}'"))
        made = World(tmp_path_factory.mktemp("watch"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def incident(world: World) -> Incident:
    return world.play_the_night()


def _facts(world: World, incident: Incident):  # type: ignore[no-untyped-def]
    evidence = world._acting().evidence
    return briefing.facts_of(incident, incidents=world.incidents, runs=world.runs, events=world.events, evidence=evidence)


def _dossier(world: World, incident: Incident) -> str:
    return world.dossiers.open_for_incident(None, incident, LEAD, _facts(world, incident)).id


def _titles() -> set[str]:
    return {title for rule in RULES.values() for title in (rule.title, rule.title_fr)}


def _credited(text: str) -> bool:
    return not any(title in text for title in _titles()) or (AUTHOR in text and LICENCE in text)


@pytest.mark.parametrize("path", sorted({page.path for page in PAGES if page.method == "GET"} - NOT_OPENED))
def test_a_page_that_names_a_rule_names_its_author_and_licence(world: World, incident: Incident, path: str) -> None:
    alert = world.incidents.alerts(LEAD, AlertFilter()).items[0]
    opened = path.replace("{id}", alert.id if path.startswith("/alertes") else alert.rule_id)
    if path.startswith(("/incidents", "/executions")):
        opened = path.replace("{id}", incident.id).replace("{run}", world.runs.of_incident(LEAD, incident.id)[0].id)
    if path.startswith("/dossiers"):
        opened = path.replace("{id}", _dossier(world, incident))
    if path.endswith(("/filtre", "/essai")):
        opened = path.replace("{id}", next(one.id for one in RULES.values() if one.title == "Repeated break-glass"))
    if path == "/risques/detail":
        opened += f"?sorte=user&valeur={quote(worlds.DOCTOR)}"
    shown = 0
    for person in (LEAD, DIRECTOR, worlds.AUDITOR):
        answer = world.client(person).get(opened)
        if answer.status_code == 200:
            shown += 1
            text = _text_of(answer.content) if path.endswith(".pdf") else html.unescape(answer.text)
            assert _credited(text if path.endswith(".pdf") else _plain(text)), f"{opened} as {person.name}"
    assert shown or path in {"/guichet", "/identites/revelation"}, f"{opened}: nobody of the night may open it"


def _plain(text: str) -> str:
    """As it is read: JSON without its escapes."""
    return text.replace('\\"', '"')


def _text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


@pytest.mark.parametrize("path", ["/alertes", "/incidents", "/incidents/{incident}", "/risques/detail?sorte=user&valeur=" + worlds.DOCTOR])
def test_rows_and_stories_of_matches_carry_the_author(world: World, incident: Incident, path: str) -> None:
    text = html.unescape(world.client(LEAD).get(path.replace("{incident}", incident.id)).text)
    assert text.count(f"par {AUTHOR} · licence {LICENCE}") >= 1


def test_an_alert_whose_rule_is_gone_still_names_author_licence_and_id(world: World, incident: Incident) -> None:
    alert = world.incidents.alerts(LEAD, AlertFilter()).items[0]
    kept = world.services.rules
    object.__setattr__(world.services, "rules", {})
    try:
        text = html.unescape(world.client(LEAD).get(f"/alertes/{alert.id}").text)
    finally:
        object.__setattr__(world.services, "rules", kept)
    assert "n’est plus chargée" in text and AUTHOR in text and LICENCE in text and alert.rule_id in text


def test_the_story_of_an_incident_credits_each_alert(world: World, incident: Incident) -> None:
    with world.database.reading() as connection:
        alerts = [entry.text for entry in tell(connection, LEAD, incident.id) if entry.kind == "alert"]
    assert alerts and all(f"de {AUTHOR}, licence {LICENCE}" in text for text in alerts)


def test_an_incident_and_a_message_about_it_name_the_authors(world: World, incident: Incident) -> None:
    assert incident.rules and {(one.author, one.licence) for one in incident.rules} == {(AUTHOR, LICENCE)}
    sent = []

    def deliver(message):  # type: ignore[no-untyped-def]
        sent.append(message.text)
        return "courriel"

    given = Context(
        incident=incident,
        alerts=(),
        key="r1:s1",
        arguments={"destinataires": "RSSI"},
        actor=WATCH,
        reason="",
        now=worlds.NOW,
        timeout_seconds=5,
    )
    Notify(replace(world._acting(), deliver=deliver)).execute(given)
    assert AUTHOR in sent[0] and LICENCE in sent[0] and all(credit.title in sent[0] for credit in incident.rules)


def test_no_other_command_shows_what_rules_matched() -> None:
    """Each command was read for it: one that comes must be tried here, or be listed as one that shows no match."""
    tried = {"hunt", "replay", "rules backtest", "rules convert", "rules history", "rules navigator", "rules test"}
    silent = {
        "playbooks check",
        "rules alarms",
        "rules check",
        "rules fields",
        "rules pull",
        "rules remove",
        "rules roll-back",
        "rules sets",
        "rules tune",
        "serve",
    }
    silent |= {"dead-letters list", "dead-letters replay", "signals subscribe", "sources check", "users apply"}
    silent |= {f"retention {name}" for name in ("status", "hold", "release", "trust-clock")}
    silent |= {f"indicators {name}" for name in ("check", "list", "load", "remove", "allow add", "allow list", "allow remove")}
    assert set(_commands(get_command(app))) == tried | silent


def _commands(command: object, before: str = "") -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{before}{name} ") if hasattr(inner, "commands") else [before + name]


def test_no_other_playbook_action_tells_of_rules() -> None:
    """Each action was read for it: one that comes must be tried above, or be listed here."""
    assert {action.name for action in ACTIONS} == {
        "notify",
        "list_sessions",
        "open_dossier",
        "preserve_evidence",
        "revoke_sessions",
        "watch_account",
    }


@pytest.mark.parametrize("export", ["json", "pdf", "stix"])
def test_a_declaration_names_the_authors_in_each_of_its_forms(world: World, incident: Incident, export: str) -> None:
    written: Callable[[str, Principal], bytes] = getattr(world.dossiers, export)
    data = written(_dossier(world, incident), LEAD)
    text = _text_of(data) if export == "pdf" else _sentence(json.loads(data))
    assert "Engine No. 1" in text and "Lovelace" in text and LICENCE in text


def _sentence(document: object) -> str:
    return json.dumps(document, ensure_ascii=False)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    night = Night.played(tmp_path_factory.mktemp("state"))
    night.close()
    return night.folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_about_history_names_author_licence_and_id(state: Path, kind: str) -> None:
    from siem.store.events import EventStore

    events = EventStore(state / "events.duckdb", read_only=True)
    try:
        ruleset = load_rules(ROOT / "rules")
        rule = next(one for one in ruleset.rules.values() if one.path.endswith("fhir_record_sweep.yml"))
        history = History(events, lambda _documents: ruleset)
        asked = {"kind": kind, "rule": rule.id, "from_at": "2026-03-01T00:00:00+00:00"}
        told = [body for message in history.answer(asked) for name, body in message.items() if name in ("plan", "detection", "backtest")]
    finally:
        events.close()
    assert len(told) > 1
    for body in (json.dumps(one, default=str) for one in told):
        assert rule.id in body and f'"{rule.author}"' in body and f'"{rule.licence}"' in body


@pytest.mark.parametrize(
    "words",
    [
        ("hunt", "fhir_record_sweep", "--since", "2026-03-01"),
        ("hunt", "fhir_record_sweep", "--since", "2026-03-01", "--json"),
        ("rules", "backtest", "fhir_record_sweep", "--since", "2026-03-01"),
        ("rules", "backtest", "fhir_record_sweep", "--since", "2026-03-01", "--json"),
    ],
    ids=" ".join,
)
def test_every_command_over_history_names_author_licence_and_id(state: Path, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words), env={"SIEM_STATE": str(state), "COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    rule = next(one for one in load_rules(ROOT / "rules").rules.values() if one.path.endswith("fhir_record_sweep.yml"))
    assert rule.author in done.output and rule.licence in done.output and rule.id in done.output


@pytest.mark.parametrize("words", [("rules", "history"), ("rules", "history", "--json")], ids=" ".join)
def test_what_looked_back_at_history_names_author_licence_and_id_of_each_rule(tmp_path: Path, words: tuple[str, ...]) -> None:
    migrate(url := f"sqlite:///{tmp_path}/watch.sqlite")
    database = Database(url)
    with database.transaction() as connection:
        # A rule that is no more, too: the run keeps what it was.
        store.add_run(connection, replace(RUN, rule_id="r1", rule_title="A rule of old", rule_author=AUTHOR, rule_licence=LICENCE))
    database.close()
    done = CliRunner().invoke(app, list(words), env={"SIEM_STATE": str(tmp_path), "COLUMNS": "300", "SIEM_ENVIRONMENT": "development"})
    assert done.exit_code == 0, done.output
    assert all(text in done.output for text in ("A rule of old", AUTHOR, LICENCE, "r1"))


@pytest.mark.parametrize("as_json", [False, True])
def test_a_replay_names_author_licence_and_id(tmp_path: Path, as_json: bool) -> None:
    rule = next(one for one in load_rules(ROOT / "rules").rules.values() if one.path.endswith("nginx_scanner_agent.yml"))
    line = '192.0.2.7 - - [14/Mar/2026:08:15:00 +0000] "GET / HTTP/1.1" 200 10 "-" "sqlmap/1.7"\n'
    (tmp_path / "access.log").write_text(line)
    done = CliRunner().invoke(app, ["replay", "--type", "nginx", str(tmp_path / "access.log"), *(["--json"] if as_json else [])])
    assert rule.title in done.output
    assert rule.author in done.output and rule.licence in done.output and rule.id in done.output


def test_proofs_for_other_programs_name_author_licence_and_id() -> None:
    folder = ROOT / "rules"
    rules, written = load_rules(folder).rules.values(), junit(prove(folder, proofs=ROOT / "tests" / "rules")).decode()
    for rule in (one for one in rules if one.title in written):
        said = (("id", rule.id), ("title", rule.title), ("author", rule.author), ("licence", rule.licence))
        assert all(f'name="rule.{name}" value="{value}"' in html.unescape(written) for name, value in said)


def test_a_layer_of_the_navigator_credits_every_rule_of_a_cell() -> None:
    rules, at = list(RULES.values()), datetime(2026, 3, 14, tzinfo=UTC)
    for layer in (navigator.coverage(rules, at), navigator.seen(rules, {rule.id: (1, at) for rule in rules}, at)):
        text = json.dumps(layer, ensure_ascii=False)
        assert all(str(Credit.of(rule)) in text for rule in rules if rule.title in text)


def test_a_converted_rule_comes_with_its_credit() -> None:
    done = CliRunner().invoke(app, ["rules", "convert", "-t", "esql", str(ROOT / "rules/web/nginx_scanner_agent.yml")])
    rule = next(one for one in load_rules(ROOT / "rules").rules.values() if one.path.endswith("nginx_scanner_agent.yml"))
    assert done.stderr.startswith(f"# {Credit.of(rule)}\n")


def test_a_credit_says_only_what_is_known() -> None:
    assert str(Credit("1", "Scan", "", "")) == "Scan (1)" and str(Credit("1", "Scan", "A. B", "MIT")) == "Scan (A. B, MIT, 1)"
    assert console.PAGES is PAGES
