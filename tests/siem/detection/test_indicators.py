"""What a rule about indicators says, and what becomes of an event that holds a listed value."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from siem.detection.engine import Engine
from siem.detection.indicators import Allowed, Few, Indicator, Kind, Nothing, falls_under, read_indicators
from siem.detection.load import load_rules
from siem.detection.selections import RuleMistake
from siem.event import Event
from siem.indicators.book import About
from siem.indicators.sets import Sets, remove, store

T0 = datetime(2026, 11, 23, tzinfo=UTC)
RULE = """\
title: Listed
id: 00000000-0000-4000-8000-000000000001
veilleur:
  indicators:
    fields: {address: source.ip, domain: [url.original, http.request.referrer]}
    confidence: {gte: 50}
  subject: source.ip
"""


def event(at: datetime = T0, **fields: str) -> Event:
    return Event("e1", at, "web", "default", {"source.ip": "192.0.2.1", **{name.replace("__", "."): text for name, text in fields.items()}})


def engine(folder: Path, *indicators: Indicator, text: str = RULE) -> Engine:
    (folder / "rules.yml").write_text(text, encoding="utf-8")
    loaded = load_rules(folder)
    assert loaded.errors == ()
    assert loaded.alerting == {"00000000-0000-4000-8000-000000000001"}
    made = Engine(loaded)
    made.indicators.book = Few(indicators)
    return made


def test_a_detection_names_who_warned(tmp_path: Path) -> None:
    bad = Indicator(
        Kind.DOMAIN,
        "mauvais.example",
        name="Campagne",
        source="CERT",
        set_name="cert",
        tlp="AMBER",
        confidence=90,
        valid_until=T0 + timedelta(days=1),
        licence="Licence Ouverte 2.0",
    )
    other = Indicator(Kind.DOMAIN, "example", source="Liste", confidence=60)
    (found,) = engine(tmp_path, bad, other).evaluate([event(http__request__referrer="https://www.mauvais.example/a")])
    assert found.group == (("http.request.referrer", "https://www.mauvais.example/a"),)
    assert dict(found.values) == {
        "source.ip": "192.0.2.1",
        "value": "https://www.mauvais.example/a",
        "indicator": "Campagne",
        "feed": "CERT, Liste",
        "licence": "Licence Ouverte 2.0",
        "set": "cert",
        "confidence": "90",
        "tlp": "AMBER",
        "valid_until": "2026-11-24T00:00:00+00:00",
    }
    assert (found.authors, found.licences) == (("CERT", "Liste"), ("Licence Ouverte 2.0",))
    assert (found.event_ids, found.first_at, found.matched_fields) == (("e1",), T0, ("http.request.referrer",))


@pytest.mark.parametrize(("confidence", "fires"), [(None, True), (50, True), (49, False)])
def test_an_indicator_of_which_no_confidence_is_stated_is_believed_half(tmp_path: Path, confidence: int | None, fires: bool) -> None:
    assert bool(engine(tmp_path, Indicator(Kind.ADDRESS, "192.0.2.0/24", confidence=confidence)).evaluate([event()])) is fires


def test_validity_is_judged_at_the_time_of_the_event(tmp_path: Path) -> None:
    one = Indicator(Kind.ADDRESS, "192.0.2.1/32", valid_from=T0, valid_until=T0 + timedelta(hours=1))
    made = engine(tmp_path, one)
    minutes = (-1, 0, 59, 60)
    fired = [bool(made.evaluate([event(T0 + timedelta(minutes=minute))])) for minute in minutes]
    assert fired == [False, True, True, False]


def test_one_indicator_covers_another_that_finds_nothing_more_up_to_now() -> None:
    now = T0 + timedelta(days=10)

    def valid(first: int | None, last: int | None, confidence: int | None = None) -> Indicator:
        begins, ends = (None if day is None else T0 + timedelta(days=day) for day in (first, last))
        return Indicator(Kind.DOMAIN, "a.example", confidence=confidence, valid_from=begins, valid_until=ends)

    assert valid(0, 20).covers(valid(0, 30), now), "what it adds is still to come"
    assert valid(0, 20).covers(valid(0, None), now) and valid(None, None).covers(valid(3, 5), now)
    assert valid(0, 5).covers(valid(1, 5), now)
    assert not valid(0, 5).covers(valid(0, 6), now), "the sixth day was not looked at"
    assert not valid(1, 5).covers(valid(0, 5), now) and not valid(1, None).covers(valid(None, None), now)
    assert not valid(0, None, 90).covers(valid(0, None, 30), now), "another rule takes it"
    assert valid(0, None).covers(valid(0, None, 50), now)


def test_what_is_allowed_raises_no_alert_up_to_its_last_day_and_each_time_is_counted(tmp_path: Path) -> None:
    made = engine(tmp_path, Indicator(Kind.ADDRESS, "192.0.2.0/24"), Indicator(Kind.DOMAIN, "a.example"))
    allowed = Allowed(Kind.ADDRESS, "192.0.2.0/28", "CSIRT", "our scanner", T0 + timedelta(days=1))
    other = Allowed(Kind.DOMAIN, "192.0.2.1", "CSIRT", "a name is no address", T0 + timedelta(days=9))
    made.indicators.book = Few([Indicator(Kind.ADDRESS, "192.0.2.0/24"), Indicator(Kind.DOMAIN, "a.example")], [allowed, other])
    hours = (0, 23, 24)
    fired = [bool(made.evaluate([event(T0 + timedelta(hours=hour))])) for hour in hours]
    assert fired == [False, False, True], "from the day after its last it allows nothing"
    assert made.evaluate([event(source__ip="192.0.2.16")]) != [], "beyond the network"
    assert made.evaluate([event(source__ip="198.51.100.1")]) == []
    assert made.evaluate([event(url__original="http://a.example/")]) != [], "the other value of the same event is not allowed"
    hidden = {key: (hits.count, hits.last_at) for key, hits in made.take_hidden().items()}
    assert hidden == {("allow/address/192.0.2.0/28", "00000000-0000-4000-8000-000000000001", "default"): (3, T0 + timedelta(hours=23))}
    assert made.take_hidden() == {}
    assert allowed.last_day == T0.date()


def test_hits_of_a_long_value_are_counted_under_a_short_key() -> None:
    longest = Allowed(Kind.URL, "http://a.example/" + "x" * 4000, "CSIRT", "why", T0)
    assert len(longest.key) <= 255 and longest.key.startswith("allow/url/")


def test_only_the_sets_of_the_rule_count(tmp_path: Path) -> None:
    text = RULE.replace("confidence:", "sets: [cert]\n    confidence:")
    assert engine(tmp_path, Indicator(Kind.ADDRESS, "192.0.2.1/32", set_name="other"), text=text).evaluate([event()]) == []
    assert engine(tmp_path, Indicator(Kind.ADDRESS, "192.0.2.1/32", set_name="cert"), text=text).evaluate([event()]) != []


class Counting:
    """A book that counts what it is asked."""

    is_empty = False

    def refresh(self) -> bool:
        return False

    def __init__(self) -> None:
        self.generation = 1
        self.asked: list[str] = []
        self.listed: Sequence[Indicator] = ()

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        self.asked.append(text)
        return self.listed

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        return ()


def test_a_value_is_looked_up_once_until_the_sets_change(tmp_path: Path) -> None:
    made, book = engine(tmp_path), Counting()
    made.indicators.book = book
    assert made.evaluate([event()] * 50) == []
    assert book.asked == ["192.0.2.1"]
    book.listed = [Indicator(Kind.ADDRESS, "192.0.2.1/32")]
    assert made.evaluate([event()]) == [], "remembered"
    book.generation += 1
    assert len(made.evaluate([event()])) == 1
    assert len(book.asked) == 2


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siem.detection.indicators._MAX_REMEMBERED", 1_000)
    made, book = engine(tmp_path), Counting()
    made.indicators.book = book
    for number in range(100):
        made.evaluate([event(source__ip=f"192.0.2.{number}")])
    assert sum(len(known) for known in made.indicators._known.values()) < 10


def test_nothing_is_listed_by_default() -> None:
    assert Nothing().find(Kind.ADDRESS, "192.0.2.1") == ()


def test_a_url_falls_under_the_address_that_is_its_host() -> None:
    assert falls_under(Indicator(Kind.ADDRESS, "192.0.2.0/24"), "http://192.0.2.9:8080/x")
    assert not falls_under(Indicator(Kind.ADDRESS, "192.0.2.0/24"), "http://192.0.3.9/")
    assert not falls_under(Indicator(Kind.DOMAIN, "a.example"), "https://ba.example/")


@pytest.mark.parametrize(
    ("section", "path", "said"),
    [
        ([], (), "a map"),
        ({"fields": {"address": "source.ip"}, "set": "x"}, ("set",), "unknown key «set»"),
        ({}, ("fields",), "a map from address"),
        ({"fields": {"ip": "source.ip"}}, ("fields", "ip"), "not «ip»"),
        ({"fields": {"address": "source.adress"}}, ("fields", "address"), "not a field of an event"),
        ({"fields": {"address": [1]}}, ("fields", "address"), "a list of texts"),
        ({"fields": {"address": "source.ip"}, "confidence": 50}, ("confidence",), "gte, lte"),
        ({"fields": {"address": "source.ip"}, "confidence": {"gte": 80, "lte": 20}}, ("confidence",), "0 to 100"),
        ({"fields": {"address": "source.ip"}, "confidence": {"gte": True}}, ("confidence",), "0 to 100"),
    ],
)
def test_a_mistake_is_named_with_its_place(section: Mapping[str, object], path: tuple[str, ...], said: str) -> None:
    with pytest.raises(RuleMistake, match=said) as caught:
        read_indicators(section)
    assert caught.value.path == ("veilleur", "indicators", *path)


def test_a_rule_about_indicators_has_no_detection(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULE.replace("veilleur:", "detection: {s: {a: b}, condition: s}\nveilleur:"), encoding="utf-8")
    (error,) = load_rules(tmp_path).errors
    assert error.line == 5 and "no detection and no correlation" in error.problem


def test_the_example_of_the_page_is_valid() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "indicators.md").read_text("utf-8")
    (block,) = page.split("```yaml\n")[1:]
    wanted = read_indicators(yaml.safe_load(block.split("```", 1)[0])["veilleur"]["indicators"])
    assert (wanted.sets, wanted.least, len(wanted.fields)) == ({"partenaire"}, 60, 4)


def test_a_set_is_taken_up_with_the_next_batch(tmp_path: Path) -> None:
    made, folder = engine(tmp_path), tmp_path / "indicators"
    made.indicators.book = Sets(folder)
    assert made.evaluate([event()]) == []
    store(folder, About("cert", T0, 0, (), (), ()), [Indicator(Kind.ADDRESS, "192.0.2.0/24")])
    assert len(made.evaluate([event()])) == 1
    remove(folder, "cert")
    assert made.evaluate([event()]) == []
