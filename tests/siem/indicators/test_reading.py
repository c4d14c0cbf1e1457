from datetime import UTC, datetime

import pytest

from siem.detection.indicators import Indicator, Kind
from siem.indicators.reading import Read, canonical, merged


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.ADDRESS, "192.0.2.1", "192.0.2.1/32"),
        (Kind.ADDRESS, "2001:DB8::/32", "2001:db8::/32"),
        (Kind.ADDRESS, "::ffff:192.0.2.1", "192.0.2.1/32"),
        (Kind.DOMAIN, "*.Mauvais.Example.", "mauvais.example"),
        (Kind.URL, "HTTP://Mauvais.example:80/a#b", "http://mauvais.example/a"),
        (Kind.HASH, "AB" * 16, "ab" * 16),
    ],
)
def test_a_value_has_one_form(kind: Kind, text: str, value: str) -> None:
    assert canonical(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Kind.ADDRESS, "192.0.2.1/24", "host bits"),
        (Kind.ADDRESS, "0.0.0.0/0", "everybody"),
        (Kind.ADDRESS, "mauvais.example", "not an address"),
        (Kind.DOMAIN, "mauvais", "not a domain name"),
        (Kind.URL, "mauvais.example/a", "not a URL"),
        (Kind.HASH, "ab" * 15, "not an MD5"),
        (Kind.HASH, "", "empty"),
        (Kind.DOMAIN, "a." * 3000, "too long"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(kind: Kind, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        canonical(kind, text)


def test_of_several_files_the_latest_version_of_an_indicator_counts() -> None:
    def said(day: int, *values: str, withdrawn: bool = False) -> Read:
        versions = {"i": datetime(2026, 11, day, tzinfo=UTC)}
        return Read([Indicator(Kind.DOMAIN, value, id="i") for value in values], [], {"i"} if withdrawn else set(), versions)

    plain = Read([Indicator(Kind.DOMAIN, "b.example")])
    assert [one.value for one in merged([said(2, "new.example"), plain, said(1, "old.example")]).indicators] == ["new.example", "b.example"]
    revoked = merged([said(1, "a.example"), said(2, withdrawn=True)])
    assert (revoked.indicators, revoked.withdrawn) == ([], {"i"})
    back = merged([said(2, withdrawn=True), said(3, "a.example")])
    assert ([one.value for one in back.indicators], back.withdrawn) == (["a.example"], set())
