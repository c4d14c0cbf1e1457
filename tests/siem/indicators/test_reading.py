import pytest

from siem.detection.indicators import Kind
from siem.indicators.reading import canonical


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
