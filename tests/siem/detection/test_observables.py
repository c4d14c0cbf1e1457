import ipaddress

import pytest

from siem.detection.observables import address_of, domain_of, hashes_of, host_of, url_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" [2001:DB8::1] ", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.256", None),
        ("192.0.2.01", None),
        ("example", None),
        ("", None),
    ],
)
def test_an_address_has_one_form(text: str, found: str | None) -> None:
    assert address_of(text) == (ipaddress.ip_address(found) if found else None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Exemple.FR.", "exemple.fr"),
        ("hôpital.example", "xn--hpital-ixa.example"),
        ("_dmarc.exemple.fr", "_dmarc.exemple.fr"),
        ("localhost", None),
        ("192.0.2.1", None),
        ("a..fr", None),
        ("-a.fr", None),
        ("a" * 64 + ".fr", None),
        ("a b.fr", None),
    ],
)
def test_a_domain_has_one_form(text: str, found: str | None) -> None:
    assert domain_of(text) == found


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://User:x@Www.Exemple.fr:8443/a?b#c", "www.exemple.fr"),
        ("www.exemple.fr:443", "www.exemple.fr"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("/chemin?retour=https://exemple.fr/", ""),
        ("http://[broken/", ""),
        ("", ""),
        ("h" * 9_000, ""),
    ],
)
def test_a_url_names_a_host(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HTTP://Exemple.FR:80", "http://exemple.fr/"),
        ("https://exemple.fr:8443/A?b=C#d", "https://exemple.fr:8443/A?b=C"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
        ("//exemple.fr/", None),
        ("mailto:a@exemple.fr", None),
        ("http://exemple.fr:port/", None),
    ],
)
def test_a_url_has_one_form(text: str, found: str | None) -> None:
    assert url_of(text) == found


def test_a_field_may_hold_several_hashes() -> None:
    md5, sha256 = "0123456789ABCDEF" * 2, "fedcba9876543210" * 4
    assert hashes_of(f"MD5={md5},SHA256={sha256}") == [md5.lower(), sha256]
    assert hashes_of(sha256 + "0") == []
