"""The allow-list: what it allows, that a mistake allows nothing, and that writing loses nothing."""

import ipaddress
import random
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.detection.indicators import Few, Indicator, Kind
from siem.errors import DataError
from siem.indicators.allow import FILE, AllowList, allow, disallow, entry, read_allowed
from siem.indicators.book import About
from siem.indicators.sets import Sets, store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = date(2027, 1, 31)
WHOLE = """\
- value: 198.51.100.0/24
  owner: CSIRT
  reason: exit addresses of a scanner
  expires: 2027-01-31
- {value: Exemple.FR, owner: DSI, reason: our own name, expires: 2027-02-01}
"""


def written(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder / FILE


def test_an_entry_says_what_who_why_and_until_when(tmp_path: Path) -> None:
    (network, name), wrong = read_allowed(written(tmp_path, WHOLE))
    assert wrong == []
    assert (network.kind, network.value, network.owner, network.last_day) == (Kind.ADDRESS, "198.51.100.0/24", "CSIRT", DAY)
    assert (name.kind, name.value) == (Kind.DOMAIN, "exemple.fr")
    assert network.expires_at == datetime(2027, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        ("- value: x", 1, "value", "no address"),
        ("\n- {owner: a, reason: b, expires: 2027-01-31}", 2, "value", "missing"),
        ("- {value: a.fr, reason: b, expires: 2027-01-31}", 1, "owner", "who answers"),
        ("- {value: a.fr, owner: a, reason: b, expires: soon}", 1, "expires", "2027-01-31"),
        ("- {value: a.fr, owner: a, reason: b, expires: 9999-12-31}", 1, "expires", "a day"),
        ("- {value: a.fr, owner: a, reason: b, expires: 2027-02-30}", 1, "expires", "a day"),
        ("- {value: a.fr, owner: a, reason: b, expires: 2027-01-31, set: c}", 1, "set", "unknown key"),
        ("- {value: 0.0.0.0/0, owner: a, reason: b, expires: 2027-01-31}", 1, "value", "no address"),
        ("- {value: [a], owner: a, reason: b, expires: 2027-01-31}", 1, "", "each a text"),
        ("- a.fr", 1, "", "each a text"),
        ("a: b", 1, "", "a list is expected"),
        ("- {", 2, "", "not YAML"),
    ],
)
def test_a_mistake_is_named_and_allows_nothing_while_the_others_hold(tmp_path: Path, text: str, line: int, field: str, said: str) -> None:
    if said == "no address" and "owner" not in text:
        text = "- {value: x, owner: a, reason: b, expires: 2027-01-31}"
    whole = text if field == "" and not text.startswith("- {value") else text + "\n" + WHOLE
    entries, (error, *_) = read_allowed(written(tmp_path, whole))
    assert (error.path, error.line, error.field) == (str(tmp_path / FILE), line if error.line else 0, field)
    assert said in error.problem
    assert len(entries) == (2 if whole.endswith(WHOLE) else 0)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    assert "is not UTF-8" in read_allowed(tmp_path / FILE)[1][0].problem
    assert read_allowed(tmp_path / "none.yml") == ([], [])
    assert read_allowed(written(tmp_path, "# nobody yet\n")) == ([], [])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**64))
def test_allows_what_comparing_one_by_one_allows(seed: int) -> None:
    rng = random.Random(seed)

    def value() -> str:
        address = ipaddress.ip_address(f"192.0.2.{rng.randint(0, 20)}")
        network = str(ipaddress.ip_network((address, rng.randint(26, 32)), strict=False))
        return rng.choice([network, f"{rng.choice('abc')}.example", "a.example", f"http://a.example/{rng.randint(0, 2)}", "ab" * 16])

    entries = {value(): None for _ in range(rng.randint(0, 8))}
    made = [entry(text, "CSIRT", "why", DAY + timedelta(days=rng.randint(0, 3))) for text in entries]
    naive, quick = Few([], made), AllowList(made)
    for text in (f"192.0.2.{rng.randint(0, 20)}", "x.a.example", "http://a.example/1", "b.example", "MD5=" + "AB" * 16, ""):
        for kind in Kind:
            assert sorted(quick.find(kind, text), key=repr) == sorted(naive.allowed(kind, text), key=repr)
            assert [one.expires_at for one in quick.find(kind, text)] == sorted(
                (one.expires_at for one in quick.find(kind, text)), reverse=True
            )


def test_an_entry_is_added_replaced_and_ended(tmp_path: Path) -> None:
    folder = tmp_path / "indicators"
    first = entry("192.0.2.7", "CSIRT", "«why», # really: yes", DAY)
    assert allow(folder, first, NOW) is None
    allow(folder, entry("exemple.fr", "DSI", "ours", DAY), NOW)
    assert allow(folder, entry("192.0.2.7/32", "RSSI", "why", DAY), NOW) == first
    entries, wrong = read_allowed(folder / FILE)
    assert ([(one.value, one.owner) for one in entries], wrong) == ([("192.0.2.7/32", "RSSI"), ("exemple.fr", "DSI")], [])
    assert yaml.safe_load((folder / FILE).read_text("utf-8"))[0]["value"] == "192.0.2.7"
    assert disallow(folder, "192.0.2.7").owner == "RSSI"
    assert [one.value for one in read_allowed(folder / FILE)[0]] == ["exemple.fr"]
    with pytest.raises(DataError, match="is not allowed by any entry"):
        disallow(folder, "192.0.2.7")


@pytest.mark.parametrize("day", [NOW.date() - timedelta(days=1), NOW.date() + timedelta(days=367)])
def test_an_entry_lives_a_year_at_most(tmp_path: Path, day: date) -> None:
    with pytest.raises(DataError, match="from today to a year") as caught:
        allow(tmp_path, entry("192.0.2.7", "CSIRT", "why", day), NOW)
    assert caught.value.field == "expires" and not (tmp_path / FILE).exists()


@pytest.mark.parametrize(("owner", "reason", "field"), [("", "why", "owner"), ("CSIRT", "a\nb", "reason"), ("CSIRT", "x" * 501, "reason")])
def test_who_and_why_are_texts_on_a_line(owner: str, reason: str, field: str) -> None:
    with pytest.raises(DataError, match="on one line") as caught:
        entry("192.0.2.7", owner, reason, DAY)
    assert caught.value.field == field


def test_what_is_not_understood_is_not_written_over(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE + "- {value: b.fr}\n")
    with pytest.raises(DataError, match="missing"):
        allow(tmp_path, entry("192.0.2.7", "CSIRT", "why", DAY), NOW)
    assert path.read_text("utf-8").endswith("- {value: b.fr}\n")


def test_two_who_change_it_at_once_both_do(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=allow, args=(tmp_path, entry(f"192.0.2.{number}", "CSIRT", "why", DAY), NOW)) for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_allowed(tmp_path / FILE)[0]) == 12


def test_a_running_watch_takes_it_up_and_names_what_is_wrong(tmp_path: Path) -> None:
    store(tmp_path, About("cert", NOW, 0, (), (), ()), [Indicator(Kind.DOMAIN, "exemple.fr")])
    sets = Sets(tmp_path)
    sets.refresh()
    generation = sets.generation
    assert sets.allowed(Kind.DOMAIN, "www.exemple.fr") == []
    written(tmp_path, WHOLE + "- {value: b.fr}\n")
    assert sets.refresh() and sets.generation > generation
    assert [one.value for one in sets.allowed(Kind.DOMAIN, "www.exemple.fr")] == ["exemple.fr"]
    assert [error.line for error in sets.broken] == [6] and len(sets.books) == 1
