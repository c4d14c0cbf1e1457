import html
import re

from siem.console import search
from siem.incidents.model import Incident
from siem.store.events import Cursor
from tests.siem.console.world import ANALYST, World


def test_finds_an_event_with_its_frequent_values_and_its_hours(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/recherche", params={"q": "event.action:record.exported"}).text
    assert "1 événement" in page and "record.exported" in page and "203.0.113.40" in page
    assert re.search(r'<svg viewBox="0 0 960 120"[^>]*role="img" aria-labelledby="histo-titre histo-desc">', page)


def test_the_histogram_has_the_same_figures_as_a_table(world: World, incident: Incident) -> None:
    page = world.client(ANALYST).get("/recherche?periode=tout").text
    rows = re.search(r'<table class="rows figures">(.*?)</table>', page, re.DOTALL)
    assert rows is not None
    assert sum(int(count) for count in re.findall(r'<td class="num">(\d+)</td>', rows[1])) == 233
    assert page.count('class="stick"') == len(re.findall(r'<td class="num">', rows[1]))


def test_each_bar_of_the_table_narrows_to_its_own_events(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    page = browser.get("/recherche?periode=tout").text
    bars = re.findall(r'<td><a href="(\?[^"]+)">.*?</td><td class="num">(\d+)</td>', page)
    for href, count in bars[-5:]:
        assert f"{count} événement" in browser.get("/recherche" + html.unescape(href)).text


def test_a_click_on_a_value_keeps_or_excludes_it(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    page = browser.get("/recherche?periode=tout").text
    keep, drop = (html.unescape(re.search(rf'href="(\?[^"]*q={word}source\.ip[^"]*198[^"]*)"', page)[1]) for word in ("", "NOT\\+"))  # type: ignore[index]
    assert "30 événements" in browser.get("/recherche" + keep).text and "203 événements" in browser.get("/recherche" + drop).text


def test_older_results_follow_without_a_gap(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    seen: list[str] = []
    path = "/recherche?periode=tout"
    while path:
        page = browser.get(path).text
        seen += re.findall(r"<dt>event.id</dt><dd>.*?data-copy=\"([^\"]+)\"", page)
        following = re.search(r'href="(\?[^"]*apres=[^"]+)"', page)
        path = "/recherche" + html.unescape(following[1]) if following else ""
    assert len(seen) == len(set(seen)) == 233


def test_a_mistake_in_the_line_is_said_beside_it(world: World) -> None:
    page = world.client(ANALYST).get("/recherche", params={"q": "event.acton:x"})
    assert page.status_code == 422 and "did you mean event.action?" in page.text and 'href="#q"' in page.text


def test_dates_are_paris_time_and_checked(world: World, incident: Incident) -> None:
    browser = world.client(ANALYST)
    assert "1 événement<" in browser.get("/recherche?de=2026-11-22T02:27&a=2026-11-22T02:28").text
    assert "doit venir après" in browser.get("/recherche?de=2026-11-22T03:00&a=2026-11-22T02:00").text
    assert browser.get("/recherche?de=demain").status_code == 422


def test_nothing_found_says_what_to_try(world: World) -> None:
    browser = world.client(ANALYST)
    assert "Aucun événement sur cette période" in browser.get("/recherche").text
    assert "moins de mots" in browser.get("/recherche?q=zzz").text


def test_a_page_stays_small(world: World, incident: Incident) -> None:
    assert len(world.client(ANALYST).get("/recherche?periode=tout").content) < 100_000


def test_a_broken_place_to_continue_from_starts_again(world: World, incident: Incident) -> None:
    assert search._cursor("nonsense") is None and search._cursor("x~y") is None
    assert search._cursor("2026-11-22T02:00:00+00:00~e1") == Cursor(search._paris("2026-11-22T02:00:00+00:00"), "e1")  # type: ignore[arg-type]
