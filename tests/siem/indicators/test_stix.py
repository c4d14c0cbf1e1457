"""Bundles: what is read, and that whatever is not is refused by name."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.indicators import Kind
from siem.errors import DataError
from siem.indicators.stix import PatternRefused, comparisons, read_bundle

IDENTITY = "identity--11111111-1111-4111-8111-111111111111"


def indicator(pattern: str = "[ipv4-addr:value = '192.0.2.1']", **changes: object) -> dict[str, object]:
    one: dict[str, object] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--22222222-2222-4222-8222-222222222222",
        "created_by_ref": IDENTITY,
        "name": "Campagne d’exemple",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-11-01T00:00:00Z",
        **changes,
    }
    return {key: value for key, value in one.items() if value is not None}


def bundle(folder: Path, *objects: dict[str, object]) -> Path:
    path = folder / "bundle.json"
    identity = {"type": "identity", "id": IDENTITY, "name": "CERT d’exemple"}
    path.write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": [identity, *objects]}), encoding="utf-8")
    return path


def test_an_indicator_keeps_what_its_author_says(tmp_path: Path) -> None:
    marked = ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"]
    path = bundle(tmp_path, indicator(confidence=85, valid_until="2026-12-01T01:00:00+01:00", object_marking_refs=marked))
    (one,) = read_bundle(path).indicators
    assert (one.kind, one.value, one.source, one.name) == (Kind.ADDRESS, "192.0.2.1/32", "CERT d’exemple", "Campagne d’exemple")
    assert (one.confidence, one.tlp) == (85, "AMBER")
    assert (one.valid_from, one.valid_until) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[ipv6-addr:value = '2001:db8::/32']", [(Kind.ADDRESS, "2001:db8::/32")]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", [(Kind.ADDRESS, "198.51.100.0/24")]),
        (
            "[domain-name:value='a.example' OR url:value = 'http://b.example/']",
            [(Kind.DOMAIN, "a.example"), (Kind.URL, "http://b.example/")],
        ),
        ("[domain-name:value IN ('a.example', 'b.example')]", [(Kind.DOMAIN, "a.example"), (Kind.DOMAIN, "b.example")]),
        ("[file:hashes.'SHA-256' = 'aa']", [(Kind.HASH, "aa")]),
        ("  [ file:hashes.MD5 = 'aa' or file:hashes.\"SHA-1\" = 'bb' ]  ", [(Kind.HASH, "aa"), (Kind.HASH, "bb")]),
        (r"[url:value = 'http://a.example/it\'s\\x']", [(Kind.URL, r"http://a.example/it's\x")]),
    ],
)
def test_simple_comparisons_are_read(pattern: str, found: list[tuple[Kind, str]]) -> None:
    assert comparisons(pattern) == found


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a.example']", "«AND»"),
        ("[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [url:value = 'x']", "«FOLLOWEDBY»"),
        ("[ipv4-addr:value = '192.0.2.1'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'", "«START»"),
        ("[ipv4-addr:value != '192.0.2.1']", "«!=»"),
        ("[ipv4-addr:value NOT = '192.0.2.1']", "«NOT»"),
        ("[domain-name:value LIKE '%.example']", "«LIKE»"),
        ("[domain-name:value ISSUBSET 'a.example']", "«ISSUBSET»"),
        ("[url:value MATCHES '^x']", "«MATCHES»"),
        ("[process:name = 'x']", "«process:name»"),
        ("[email-addr:value = 'a@b.example']", "email-addr:value"),
        ("([ipv4-addr:value = '192.0.2.1'])", "one observation in brackets"),
        ("[(ipv4-addr:value = '192.0.2.1')]", "«\\(»"),
        ("[ipv4-addr:value = 192]", "a text in quotes"),
        ("[ipv4-addr:value = '192.0.2.1'", "«» is not read"),
        ("[domain-name:value IN ('a.example'", "has no end"),
        ("[domain-name:value IN 'a.example']", "in parentheses"),
        ("[ipv4-addr:value = 'x", "a text in quotes"),
        ("[é = 'x']", "not understood"),
        ("", "one observation"),
        (None, "a text is expected"),
        ("[" * 70_000, "a text is expected"),
    ],
)
def test_a_pattern_that_says_more_is_refused_with_what_it_says(pattern: str, said: str) -> None:
    with pytest.raises(PatternRefused, match=said):
        comparisons(pattern)


@given(st.text(alphabet="[]()='\\ ,ORINAD:-.valuedomn", max_size=60))
def test_no_pattern_breaks_the_reader(pattern: str) -> None:
    try:
        found = comparisons(pattern)
    except PatternRefused:
        return
    assert found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pattern_type": "sigma"}, "only stix is read"),
        ({"valid_from": None}, "valid_from: missing"),
        ({"valid_from": "hier"}, "RFC 3339"),
        ({"valid_from": "2026-11-01T00:00:00"}, "no zone"),
        ({"valid_until": "2026-11-01T00:00:00Z"}, "not after valid_from"),
        ({"confidence": 101}, "0 to 100"),
        ({"confidence": True}, "0 to 100"),
        ({"pattern": "[ipv4-addr:value = '192.0.2.1/8']"}, "host bits"),
        ({"pattern": "[file:hashes.MD5 = 'aa']"}, "not an MD5"),
    ],
)
def test_a_refused_indicator_is_named_and_the_others_are_read(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    bad = indicator(**{"id": "indicator--bad", **changes})
    read = read_bundle(bundle(tmp_path, bad, indicator(), {"type": "malware", "id": "malware--1"}))
    assert len(read.indicators) == 1
    (error,) = read.refused
    assert error.field == "indicator--bad" and said in error.problem and error.path.endswith("bundle.json")


def test_what_its_author_revoked_is_left_out_and_counted(tmp_path: Path) -> None:
    read = read_bundle(bundle(tmp_path, indicator(revoked=True)))
    assert (read.indicators, read.refused, len(read.withdrawn)) == ([], [], 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"{", "not JSON"), (b"[]", "STIX bundle"), (b'{"type": "bundle", "objects": [1]}', "STIX bundle"), (None, "cannot be read")],
)
def test_a_file_that_is_no_bundle_is_refused_as_a_whole(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "bundle.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_bundle(path)


def test_the_latest_version_of_an_indicator_counts_and_a_revoked_one_is_left_out(tmp_path: Path) -> None:
    first = indicator(modified="2026-11-01T00:00:00Z")
    second = indicator("[ipv4-addr:value = '192.0.2.2']", modified="2026-11-02T00:00:00Z")
    revoked = indicator(modified="2026-11-03T00:00:00Z", revoked=True)
    assert [one.value for one in read_bundle(bundle(tmp_path, second, first)).indicators] == ["192.0.2.2/32"]
    read = read_bundle(bundle(tmp_path, revoked, first, second))
    assert (read.indicators, read.withdrawn) == ([], {"indicator--22222222-2222-4222-8222-222222222222"})


def test_the_terms_of_use_that_a_marking_states_are_its_licence(tmp_path: Path) -> None:
    statement = {
        "type": "marking-definition",
        "id": "marking-definition--33333333-3333-4333-8333-333333333333",
        "definition_type": "statement",
        "definition": {"statement": "Licence Ouverte 2.0, CERT d’exemple"},
    }
    marked = ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", statement["id"]]
    (one,) = read_bundle(bundle(tmp_path, statement, indicator(object_marking_refs=marked))).indicators
    assert (one.licence, one.tlp) == ("Licence Ouverte 2.0, CERT d’exemple", "GREEN")
