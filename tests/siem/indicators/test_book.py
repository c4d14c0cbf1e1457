"""A set in a file finds what comparing one by one finds, and is whole or not there."""

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.detection.indicators import Few, Indicator, Kind
from siem.errors import DataError
from siem.indicators.book import About, BookFile, write_book
from siem.indicators.reading import canonical

T0 = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("a.example", "b.a.example", "b.example", "c.example.fr", "aa.example", "x.b.a.example")
ABOUT = About("set", T0, 0, ("list.txt",), (), ())


def written(folder: Path, indicators: Sequence[Indicator]) -> BookFile:
    write_book(folder / "set.set", ABOUT, indicators)
    return BookFile(folder / "set.set")


def addresses(rng: random.Random) -> str:
    version_four = f"192.0.{rng.randint(0, 3)}.{rng.randint(0, 255)}"
    return rng.choice([version_four, f"2001:db8::{rng.randint(0, 40):x}", f"::ffff:192.0.2.{rng.randint(0, 9)}"])


def some_indicator(rng: random.Random) -> Indicator:
    kind = rng.choice(list(Kind))
    if kind is Kind.ADDRESS:
        address = ipaddress.ip_address(addresses(rng))
        length = rng.randint(20, 32) if address.version == 4 else rng.randint(100, 128)
        text = str(ipaddress.ip_network((address, length), strict=False))
    elif kind is Kind.DOMAIN:
        text = rng.choice(NAMES)
    elif kind is Kind.URL:
        text = f"http://{rng.choice(NAMES)}/{rng.randint(0, 3)}"
    else:
        text = f"{rng.randint(0, 5):032x}"
    return Indicator(
        kind,
        canonical(kind, text),
        id=f"i{rng.randint(0, 9)}",
        name="é\n«",
        source="CERT",
        set_name="set",
        tlp="GREEN",
        confidence=rng.choice([None, 0, 100]),
        valid_from=rng.choice([None, T0]),
        valid_until=rng.choice([None, datetime(2027, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)]),
        licence=rng.choice(["", "CC-BY-4.0"]),
        revision=rng.randint(1, 3),
    )


def some_value(rng: random.Random) -> str:
    name = rng.choice(NAMES)
    return rng.choice(
        [
            addresses(rng),
            f"http://{addresses(rng).replace('::ffff:', '')}/".replace("http://2001:db8::", "http://[2001:db8::"),
            name.upper(),
            f"HTTP://{name}:80/{rng.randint(0, 3)}#x",
            f"https://{name}/",
            f"/{name}",
            f"MD5={rng.randint(0, 7):032X},SHA1={'0' * 40}",
            "",
        ]
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**64))
def test_finds_what_comparing_one_by_one_finds(seed: int) -> None:
    rng = random.Random(seed)
    indicators = [some_indicator(rng) for _ in range(rng.randint(0, 60))]
    naive = Few(indicators)
    with TemporaryDirectory() as folder:
        book = written(Path(folder), indicators)
        for text in [some_value(rng) for _ in range(60)]:
            for kind in Kind:
                assert sorted(book.find(kind, text), key=repr) == sorted(naive.find(kind, text), key=repr), (kind, text)
        assert sorted(book.everything(), key=repr) == sorted(indicators, key=repr)


def test_the_head_says_what_is_in_it(tmp_path: Path) -> None:
    listed = [Indicator(Kind.ADDRESS, "192.0.2.0/24"), Indicator(Kind.ADDRESS, "2001:db8::/32"), Indicator(Kind.HASH, "ab" * 16)]
    about = written(tmp_path, listed).about
    assert (about.count, about.kinds, about.prefixes) == (3, (("address", 2), ("hash", 1)), ((4, 24), (6, 32)))
    assert (about.name, about.loaded_at, about.files) == ("set", T0, ("list.txt",))


def test_the_head_says_who_says_so_what_was_refused_and_when_it_runs_out(tmp_path: Path) -> None:
    ends = [None, T0, T0 + timedelta(hours=5), T0 + timedelta(days=2)]
    listed = [Indicator(Kind.DOMAIN, f"{place}.example", source="CERT", valid_until=end) for place, end in enumerate(ends)]
    said = replace(ABOUT, refused=("list.txt:3: no value", "x" * 10_000), refused_count=2)
    write_book(tmp_path / "set.set", said, listed)
    about = BookFile(tmp_path / "set.set").about
    assert (about.sources, about.refused[0], about.refused_count) == (("CERT",), "list.txt:3: no value", 2)
    assert about.ends == ((T0.date(), 2), ((T0 + timedelta(days=2)).date(), 1))
    assert [about.expired_count(T0 + timedelta(days=day)) for day in (0, 1, 3)] == [0, 2, 3]


def test_a_feed_that_runs_out_on_every_day_of_years_is_told_up_to_a_day(tmp_path: Path) -> None:
    listed = (Indicator(Kind.DOMAIN, f"{day}.example", valid_until=T0 + timedelta(days=day)) for day in range(1000))
    ends = write_book(tmp_path / "set.set", ABOUT, listed).ends
    assert len(ends) == 400 and ends[-1] == ((T0 + timedelta(days=999)).date(), 601)


def test_a_set_of_an_earlier_version_of_the_watch_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siem.indicators.book._row", lambda one: orjson.dumps([one.kind, one.value, "", "", "CERT", "", None, None, None]))
    (one,) = written(tmp_path, [Indicator(Kind.DOMAIN, "a.example")]).everything()
    assert (one.source, one.licence, one.revision) == ("CERT", "", 1)


def test_a_hash_that_two_keys_share_is_no_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siem.indicators.book._hash", lambda kind, key: 7)
    book = written(tmp_path, [Indicator(Kind.DOMAIN, name) for name in NAMES])
    assert [one.value for one in book.find(Kind.DOMAIN, "x.c.example.fr")] == ["c.example.fr"]


def test_a_file_cut_short_or_changed_is_refused_with_what_to_do(tmp_path: Path) -> None:
    written(tmp_path, [Indicator(Kind.DOMAIN, name) for name in NAMES])
    whole = (tmp_path / "set.set").read_bytes()
    for broken in (b"", whole[:12], whole[:40], whole[:-1], whole + b"x", b"X" + whole[1:], whole[:16] + b"[" + whole[17:]):
        (tmp_path / "other.set").write_bytes(broken)
        with pytest.raises(DataError, match="load it again"):
            BookFile(tmp_path / "other.set")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, [Indicator(Kind.DOMAIN, "a.example")])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_book(tmp_path / "set.set", ABOUT, [])
    assert [one.value for one in BookFile(tmp_path / "set.set").everything()] == ["a.example"]


def test_an_open_set_stands_while_it_is_replaced(tmp_path: Path) -> None:
    before = written(tmp_path, [Indicator(Kind.DOMAIN, "a.example")])
    after = written(tmp_path, [Indicator(Kind.DOMAIN, "b.example")])
    assert [one.value for one in before.everything()] == ["a.example"]
    assert [one.value for one in after.everything()] == ["b.example"]
