"""The page of indicators: what each set holds and how old it is, what is allowed, and what was looked for."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.access import Principal
from siem.detection.indicators import Indicator, Kind
from siem.history import store as history
from siem.history.store import Reason, Run, State
from siem.incidents.set_matches import set_matches
from siem.indicators.allow import FILE, allow, entry
from siem.indicators.book import About
from siem.indicators.sets import store
from siem.store import filter_hits
from tests.siem.console.world import ANALYST, AUDITOR, DIRECTOR, LEAD, NOW, RULES, World

RULE_ID = next(iter(RULES))
RUN = Run(
    0, "default", RULE_ID, "Rule", "A. Nobody", "MIT", "f1", Reason.SET, NOW - timedelta(days=30), NOW, NOW, NOW,
    State.COMPLETE, "", 9, 9, 3, 2, 0, 0.1, NOW, NOW, "cert-fr", "x", 0, 1,
)  # fmt: skip


@pytest.fixture
def filled(world: World) -> World:
    """Three sets, one in each state, a broken one, and an allow-list with one entry that has run out and one that is wrong."""
    folder = world.folder / "indicators"
    listed = [
        Indicator(Kind.ADDRESS, f"192.0.2.{n}/32", source="CERT d’exemple", valid_until=NOW + timedelta(days=n - 1)) for n in range(4)
    ]
    refused = ("list.txt:3: «<b>nothing» is no address",)
    about = About("cert-fr", NOW - timedelta(hours=2), 0, ("bundle.json",), (), (), 2, refused, 5)
    store(folder, about, [*listed, Indicator(Kind.DOMAIN, "a.example")])
    store(folder, About("partenaire", NOW - timedelta(days=40), 0, ("list.txt",), (), ()), [Indicator(Kind.HASH, "ab" * 16)])
    ended = Indicator(Kind.URL, "http://a.example/", valid_until=NOW - timedelta(days=3))
    store(folder, About("vieux", NOW, 0, ("list.txt",), (), ()), [ended])
    (folder / "bad.set").write_bytes(b"nothing")
    allow(folder, entry("192.0.2.0/24", "CSIRT", "scanner d’un partenaire", NOW.date()), NOW)
    allow(folder, entry("exemple.fr", "DSI", "notre nom", NOW.date()), NOW)
    file = folder / FILE
    file.write_text(file.read_text("utf-8").replace("exemple.fr", "ours.example", 1) + "- {value: x}\n", "utf-8")
    text = file.read_text("utf-8").replace(NOW.date().isoformat(), "2020-01-31", 1)
    file.write_text(text, "utf-8")
    with world.database.transaction() as connection:
        connection.execute(set_matches.insert().values(tenant="default", set_name="cert-fr", last_at=NOW - timedelta(minutes=5)))
        connection.execute(set_matches.insert().values(tenant="another", set_name="vieux", last_at=NOW))
        hits = {("allow/domain/ours.example", "r1", "default"): (1234, NOW), ("allow/domain/ours.example", "r1", "other"): (5678, NOW)}
        filter_hits.add(connection, hits)
        history.add_run(connection, RUN)
        history.add_run(connection, replace(RUN, tenant="another", set_name="secret"))
        history.add_run(connection, replace(RUN, set_name="", reason=Reason.NEW))
    return world


def rows(page: str) -> list[str]:
    """The text of each row of a table, without tags."""
    found = re.findall(r"<tr data-row>(.*?)</tr>", page, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).replace("\u202f", " ").replace("\xa0", " ") for row in found]


def test_every_set_is_shown_with_what_it_holds_its_age_and_its_last_match_those_to_renew_first(filled: World) -> None:
    page = filled.client(ANALYST).get("/indicateurs").text
    ended, old, valid, *_ = rows(page)
    assert "vieux" in ended and "Échu" in ended and "1 URL" in ended and "jamais" in ended, "the match of another tenant is not told"
    assert "partenaire" in old and "Ancien" in old and "1 empreinte de fichier" in old and "sans terme" in old
    assert "cert-fr" in valid and "En vigueur" in valid and "4 adresses ou réseaux" in valid and "1 domaine" in valid
    assert "CERT d’exemple" in valid and "1 échu" in valid and "prochain terme" in valid and "5 révoqués par leur auteur" in valid
    assert "7 indicateurs" in page.replace("\xa0", " ")
    assert "cert-fr : 2 lignes refusées" in page.replace("\xa0", " ") and "«&lt;b&gt;nothing»" in page


def test_what_cannot_be_honoured_is_named(filled: World) -> None:
    page = filled.client(ANALYST).get("/indicateurs").text
    notice = page.split("notice notice-bad", 1)[1].split("</div>", 1)[0]
    assert "2 fichiers ou lignes" in notice.replace("\xa0", " ") and ">bad.set" in notice and f">{FILE}:9" in notice


def test_what_is_allowed_is_shown_with_its_hits_and_its_end(filled: World) -> None:
    page = filled.client(ANALYST).get("/indicateurs").text
    ended, holds = rows(page.split('id="permis"', 1)[1].split("</table>", 1)[0])
    assert "192.0.2.0/24" in ended and "Expiré" in ended and "CSIRT" in ended and "scanner d’un partenaire" in ended
    assert "ours.example" in holds and "Actif" in holds and "1 234" in holds


def test_what_was_looked_for_in_history_is_shown_to_the_tenant_alone(filled: World) -> None:
    page = filled.client(ANALYST).get("/indicateurs").text
    (run,) = rows(page.split('id="historique"', 1)[1])
    assert "cert-fr" in run and "Terminée" in run and f'href="/regles/{RULE_ID}"' in page and "secret" not in page


def test_without_a_set_it_says_what_to_do(world: World) -> None:
    page = world.client(ANALYST).get("/indicateurs").text
    assert "Aucun jeu d’indicateurs" in page and "Aucune valeur n’est permise." in page and not Path(world.folder / "indicators").exists()
    assert "No set of indicators" in world.client(ANALYST, **{"accept-language": "en"}).get("/indicateurs").text


@pytest.mark.parametrize(("person", "status"), [(LEAD, 200), (AUDITOR, 200), (DIRECTOR, 403)])
def test_whoever_reads_rules_reads_it_and_finds_it_in_the_navigation(world: World, person: Principal, status: int) -> None:
    client = world.client(person)
    assert client.get("/indicateurs").status_code == status
    assert ('href="/indicateurs"' in client.get("/preferences").text) is (status == 200)
