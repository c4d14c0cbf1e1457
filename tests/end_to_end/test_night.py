"""The whole product, end to end: a night is played, the watch is killed in its middle, people contain and declare."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from jwt.algorithms import ECAlgorithm

from deploy.demo import casting, checks, night, scene
from deploy.demo.casting import Cast
from deploy.demo.checks import Totals
from deploy.demo.people import ConsolePerson, Filed
from deploy.demo.scene import Scene
from deploy.demo.wire import Browser
from tests.end_to_end.conftest import artefact, free_port

ROOT = Path(__file__).parents[2]
TECHNIQUES = {"T1621", "T1078", "T1213", "T1548", "T1020"}


@dataclass
class Played:
    scene: Scene
    cast: Cast
    totals: Totals
    filed: Filed


def play(folder: Path, kill_at: list[int]) -> Iterator[Played]:
    begin = datetime.now(UTC) - night.EVENING - timedelta(seconds=30)
    prepared = scene.prepare(folder, idp_port=free_port(), watch_port=free_port(), clock_start=begin)
    left = sorted(kill_at)

    def kill_when_due(_at: datetime, login_count: int) -> None:
        if left and login_count >= left[0]:
            left.pop(0)
            prepared.watch.kill()
            prepared.watch.start()

    prepared.idp.start()
    prepared.watch.start()
    try:
        prepared.idp.wait_ready()
        prepared.watch.wait_ready()
        cast = casting.cast(prepared, begin)
        night.play(cast.stage, begin, cast.seed, kill_when_due)
        assert not left, "the night ended before every kill"
        prepared.watch.wait_ready()
        cast.stage.shipper.finish()
        prepared.set_clock(None)
        totals = checks.wait_until_read(prepared, cast)
        cast.close()
        yield Played(prepared, cast, totals, checks.act(prepared, cast))
    finally:
        prepared.stop()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A night during which the watch is killed (SIGKILL) three times and started again, at points that the seed gives."""
    points = random.Random(int(os.environ["NIGHT_SEED"])).sample(range(5, night.VISIT_COUNT - 1), 3)
    yield from play(tmp_path_factory.mktemp("night"), points)


def test_no_record_is_lost_and_none_is_counted_twice(played: Played) -> None:
    totals = played.totals
    assert totals.received == totals.stored + totals.duplicates + totals.dropped
    assert totals.stored == totals.written
    assert totals.dropped == 0


def test_the_attack_is_one_incident_with_its_five_techniques(played: Played) -> None:
    lead = ConsolePerson(played.scene.watch_url, "899700000153", played.cast.phones["responsable"])
    page = lead.open("/incidents")
    assert len({link for link in page.links if re.fullmatch(r"/incidents/[^/?]+", link)}) == 1
    incident = lead.open(played.filed.incident_path).answer.text()
    assert set(re.findall(r"\bT1\d{3}\b", incident)) == TECHNIQUES
    alerts = lead.open("/alertes?etat=tous")
    about_victim = [link for link in lead.open(played.filed.incident_path).links if link.startswith("/alertes/")]
    # The export is told twice: for what it is, and for coming after more than the person's usual.
    assert len(set(about_victim)) == len(TECHNIQUES) + 1, "an alert of the attack is missing, or there twice"
    assert alerts.answer.status == 200


def test_the_revoked_session_is_refused_and_the_revocation_comes_back_as_an_event(played: Played) -> None:
    attacker = played.cast.stage.attacker
    assert attacker is not None
    assert played.cast.stage.record.userinfo(attacker).status == 401
    assert not played.cast.stage.record.refresh(attacker)
    lines = [json.loads(line) for line in played.scene.log("idp").read_text().splitlines()]
    revoked = [line for line in lines if line["event.action"] == "session.revoked"]
    assert [line["health.session.id"] for line in revoked].count(attacker.session_id) == 1
    assert {line["health.actor.id"] for line in revoked} == {"veilleur-siem"}


def test_an_event_of_the_attack_is_found_by_searching(played: Played) -> None:
    analyst = ConsolePerson(played.scene.watch_url, "899700000146", played.cast.phones["analyste"])
    found = analyst.open(f"/recherche?q=source.ip:{night.ATTACKER_ADDRESS}+AND+event.action:record.exported")
    assert "record.exported" in found.answer.text()
    assert night.ATTACKER_ADDRESS in found.answer.text()


def test_the_receipt_is_verified_by_another_implementation(played: Played) -> None:
    published = Browser().get(f"{played.scene.watch_url}/guichet/v1/jwks.json").expect(200).json()
    receipt = played.filed.receipt
    header = jwt.get_unverified_header(receipt["jws"])
    key = next(key for key in published["keys"] if key["kid"] == header["kid"])
    claims = jwt.decode(receipt["jws"], ECAlgorithm.from_jwk(json.dumps(key)), algorithms=["ES256"])
    assert header["typ"] == "veilleur-receipt+jwt"
    assert claims["sha256"] == hashlib.sha256(played.filed.declaration).hexdigest()
    assert claims["number"] == receipt["number"]


def test_the_declaration_holds_no_patient_and_names_nobody_of_the_night(played: Played) -> None:
    text = played.filed.declaration.decode()
    for matricule in played.cast.stage.strangers:
        assert matricule not in text
    assert played.cast.stage.victim.national_id not in text
    artefact("declaration.json").write_bytes(played.filed.declaration)
    artefact("declaration.pdf").write_bytes(played.filed.pdf)
    assert played.filed.pdf.startswith(b"%PDF-")


def test_a_broken_line_is_set_aside_by_name_and_the_rest_goes_on(played: Played) -> None:
    before = checks.wait_until_read(played.scene, played.cast)
    good = '192.0.2.10 - - [22/Nov/2026:03:00:00 +0000] "GET /messages HTTP/1.1" 200 12 "-" "curl/8"\n'
    with played.scene.log("messagerie-acces").open("a", encoding="utf-8") as log:
        log.write(good + "ceci n’est pas une ligne d’accès\n" + good)
    played.cast.logs[0].line_count += 3
    after = checks.wait_until_read(played.scene, played.cast)
    assert (after.received, after.stored, after.dropped) == (before.received + 3, before.stored + 2, before.dropped + 1)
    lead = ConsolePerson(played.scene.watch_url, "899700000153", played.cast.phones["responsable"])
    sources = lead.open("/sources").answer.text()
    assert "messagerie-acces" in sources
    assert "ceci n’est pas" not in sources, "a line that could not be read may hold anything; it is not shown"


def test_the_one_command_plays_checks_and_ends(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AUTO": "1",
        "EXIT": "1",
        "DEMO_STATE": str(tmp_path / "var"),
        "DEMO_IDP_PORT": str(free_port()),
        "DEMO_WATCH_PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert re.search(r"incident INC-\d{4}-\d{4} ; récépissé VEI-\d{4}-\d{6}", last), last
    print(last)


def test_a_taken_port_is_a_clear_message_that_names_the_setting(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {**os.environ, "DEMO_STATE": str(tmp_path / "var"), "DEMO_IDP_PORT": str(taken.getsockname()[1])}
        done = subprocess.run(
            [sys.executable, "-m", "deploy.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert "DEMO_IDP_PORT=" in done.stdout
    assert not (tmp_path / "var").exists()
