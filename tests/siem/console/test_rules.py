import re
from dataclasses import replace

import pytest

from siem.detection.load import load_rules
from siem.detection.profile import Profiles, UnseenField
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident, Verdict
from siem.settings import ROOT
from siem.store import filter_hits
from tests.siem.console.world import ANALYST, World


def test_lists_each_rule_with_its_last_match_and_what_did_not_load(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/regles").text
    assert "6 règles actives" in page and "Balayage de dossiers patients" in page and "22 nov. 2026, 02:15" in page
    assert "rules/web/broken.yml:12" in page and "detection.condition" in page


def test_a_word_or_a_technique_narrows_the_list(world: World) -> None:
    page = world.client(ANALYST).get("/regles?q=T1621").text
    assert "Demandes d’approbation répétées" in page and "Balayage" not in page
    assert "Aucune règle ne correspond" in world.client(ANALYST).get("/regles?q=zzz").text


def test_a_rule_shows_its_text_author_licence_and_alerts(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/regles/5f3b0000-0000-4000-8000-000000000001").text
    assert (
        "Équipe Veilleur" in page and "Detection Rule License 1.1" in page and "condition: selection" in page and "a refusé 4 fois" in page
    )


def test_an_unknown_rule_is_not_found(world: World) -> None:
    assert world.client(ANALYST).get("/regles/none").status_code == 404


def test_no_rule_at_all_says_that_nothing_is_detected(world: World) -> None:
    object.__setattr__(world.services, "rules", {})
    assert "Sans règle, rien n’est détecté" in world.client(ANALYST).get("/regles").text


def test_the_share_of_false_alerts_is_that_of_the_judged_ones(world: World, incident: Incident) -> None:
    alerts = world.incidents.alerts(ANALYST, AlertFilter()).items
    glass = next(alert for alert in alerts if alert.rule_title == "Repeated break-glass")
    world.incidents.close([glass.id], Verdict.FALSE_POSITIVE, "formation", ANALYST)
    page = world.client(ANALYST).get("/regles?tri=fausses").text
    assert "100 %" in page.replace("\u202f", " ").replace("\xa0", " ") and "1 sur 1 jugées" in page.replace("\xa0", " ")
    rows = re.findall(r"data-open>([^<]+)<", page)
    assert rows[0] == "Bris de glace répété"


def test_filters_say_who_answers_for_them_what_they_hid_and_whether_they_still_hide(world: World, incident: Incident) -> None:
    own = world.folder / "local-rules"
    own.mkdir()
    text = (
        "title: {title}\nlogsource: {{product: test}}\nfilter:\n  rules: any\n  known: {{source.ip: 192.0.2.7}}\n  condition: not known\n"
    )
    said = "veilleur: {{owner: Hugo Lefèvre-Essai, reason: La sonde, expires: {day}}}\n"
    (own / "a.yml").write_text((text + said).format(title="Old one", day="2026-11-20"), encoding="utf-8")
    (own / "b.yml").write_text((text + said).format(title="Good one", day="2027-01-31"), encoding="utf-8")
    with world.database.transaction() as connection:
        where = ("local-rules/b.yml", "5f3b0000-0000-4000-8000-000000000004")
        filter_hits.add(connection, {(*where, "default"): (12, world.now), (*where, "other"): (31, world.now)})
    for address in ("/regles", "/regles/5f3b0000-0000-4000-8000-000000000004"):
        page = world.client(ANALYST).get(address).text
        assert "Old one" in page and "Expiré" in page and "Good one" in page and "Actif" in page and "Hugo Lefèvre-Essai" in page
        assert '<td class="num" data-label="Masquées">12</td>' in page


def test_what_a_rule_costs_and_the_fields_its_sources_never_had_are_shown(world: World) -> None:
    rule_id = next(iter(world.services.rules))
    profiles = Profiles([rule_id])
    tally = profiles.tallies[rule_id]
    tally.evaluated, tally.timed, tally.timed_ns = 2_000, 2, 84_000
    tally.match(world.now)
    object.__setattr__(world.services, "profiles", lambda: profiles)
    object.__setattr__(profiles, "unseen", lambda: [UnseenField("idp", "health.device.id", (rule_id,))])
    page = world.client(ANALYST).get("/regles").text.replace("\xa0", " ")
    assert "84 ms" in page and "1 champ jamais vu" in page and "health.device.id" in page
    page = world.client(ANALYST).get(f"/regles/{rule_id}").text.replace("\xa0", " ").replace("\u202f", " ")
    assert "health.device.id" in page and "2 000" in page and "84 ms" in page


@pytest.mark.parametrize(("query", "technique", "score"), [("", "T1213", 1), ("?quoi=vu", "T1621", 1)])
def test_the_navigator_gets_what_is_looked_for_and_what_was_seen(
    world: World, incident: Incident, query: str, technique: str, score: int
) -> None:
    answer = world.client(ANALYST).get(f"/regles/navigator.json{query}")
    assert answer.headers["content-disposition"].startswith("attachment") and answer.json()["versions"]["layer"] == "4.5"
    found = {cell["techniqueID"]: cell for cell in answer.json()["techniques"]}
    assert found[technique]["score"] == score and "Équipe Veilleur" in found[technique]["comment"]


def test_what_a_rule_says_is_shown_in_the_language_of_the_reader_where_it_says_it_so(world: World) -> None:
    rule = next(iter(world.services.rules.values()))
    browser = world.client(ANALYST)
    page = browser.get(f"/regles/{rule.id}").text
    assert f'<p lang="en">{rule.description}</p>' in page and f'<ul lang="en"><li>{rule.falsepositives[0]}</li></ul>' in page
    told = replace(rule, description_fr="Ce qu’elle cherche.", falsepositives_fr=("Une garde chargée",))
    object.__setattr__(world.services, "rules", {**world.services.rules, rule.id: told})
    page = browser.get(f"/regles/{rule.id}").text
    assert "<p>Ce qu’elle cherche.</p>" in page and "<ul><li>Une garde chargée</li></ul>" in page and f"<p>{rule.description}" not in page
    english = world.client(ANALYST, **{"accept-language": "en"}).get(f"/regles/{rule.id}").text
    assert f"<p>{rule.description}</p>" in english and "Ce qu’elle cherche" not in english


def test_every_rule_of_ours_says_itself_in_french_with_as_many_innocent_causes_as_in_english() -> None:
    rules = load_rules(ROOT / "rules").rules.values()
    assert [rule.path for rule in rules if not rule.description_fr or len(rule.falsepositives_fr) != len(rule.falsepositives)] == []
    texts = [text for rule in rules for text in (rule.title_fr, rule.summary_fr, rule.description_fr, *rule.falsepositives_fr)]
    assert [text for text in texts if re.search(r"'|(?<![\u00a0\u202f])[;:?!](\s|$)|« | »", text)] == [], "French typography"
