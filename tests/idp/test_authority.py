"""A development authority certifies the names it was made for, for whoever trusts it, and no others."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from idp.authentication.card_certificate import open_cards
from idp.authority import certify, make_cards
from idp.errors import OperationError
from idp.tokens.certificate import Certificate

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
NAMES = ("auth.example", "wallet.example")


def _verify(folder: Path, name: str, at: datetime = NOW) -> None:
    authority, certificate = (x509.load_pem_x509_certificate((folder / file).read_bytes()) for file in ("authority.pem", "server.pem"))
    PolicyBuilder().store(Store([authority])).time(at).build_server_verifier(x509.DNSName(name)).verify(certificate, [])


def test_a_client_that_trusts_it_takes_the_server_for_each_of_its_names_alone(tmp_path: Path) -> None:
    certify(tmp_path, NAMES, NOW)
    for name in NAMES:
        _verify(tmp_path, name)
    with pytest.raises(VerificationError):
        _verify(tmp_path, "elsewhere.example")
    with pytest.raises(VerificationError):
        _verify(tmp_path, NAMES[0], NOW + timedelta(days=120))


def test_what_its_key_signs_for_another_name_is_refused(tmp_path: Path) -> None:
    """A stolen key of the authority is worth the names it was made for."""
    certify(tmp_path, NAMES, NOW)
    kept = {name: (tmp_path / name).read_bytes() for name in ("authority.pem", "authority.key")}
    other = tmp_path / "other"
    certify(other, ("bank.example",), NOW)
    leaf = x509.load_pem_x509_certificate((other / "server.pem").read_bytes())
    authority = x509.load_pem_x509_certificate(kept["authority.pem"])
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert {str(name.value) for name in constraints.value.permitted_subtrees or ()} == {*NAMES, "127.0.0.1/32"}
    with pytest.raises(VerificationError):
        PolicyBuilder().store(Store([authority])).time(NOW).build_server_verifier(x509.DNSName("bank.example")).verify(leaf, [])


def test_the_authority_is_kept_while_it_is_good_and_made_anew_for_other_names(tmp_path: Path) -> None:
    first = certify(tmp_path, NAMES, NOW).authority.read_bytes()
    assert certify(tmp_path, NAMES, NOW + timedelta(days=30)).authority.read_bytes() == first
    assert certify(tmp_path, (*NAMES, "third.example"), NOW).authority.read_bytes() != first
    second = (tmp_path / "authority.pem").read_bytes()
    assert certify(tmp_path, NAMES, NOW + timedelta(days=300)).authority.read_bytes() != second


def test_keys_are_their_owners_alone_and_openssl_reads_them(tmp_path: Path) -> None:
    files = certify(tmp_path / "new", NAMES, NOW)
    assert {stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) for name in ("authority.key", "server.key")} == {0o600}
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.certificate, files.key)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(OperationError, match="file"):
        certify(tmp_path / "file" / "authority", NAMES, NOW)
    (tmp_path / "authority.pem").write_text("no certificate", "utf-8")
    (tmp_path / "authority.key").write_text("no key", "utf-8")
    with pytest.raises(OperationError, match="making certificates"):
        certify(tmp_path, NAMES, NOW)


def test_cards_for_development_are_taken_and_nobody_can_issue_more(tmp_path: Path) -> None:
    people = ["899700000005", "500000000000005/CPAT00045"]
    files = make_cards(tmp_path / "cards", people, NOW)
    cards = open_cards(files.authority, None, "CN")
    for national_id in people:
        found = x509.load_pem_x509_certificate(files.cards[national_id].read_bytes())
        assert cards.read(Certificate(x509=found, verified=False), NOW).national_id == national_id
        assert files.cards[national_id].stat().st_mode & 0o077 == 0
    kept = {path.name for path in (tmp_path / "cards").iterdir()}
    assert kept == {"authority.pem", "899700000005.pem", "500000000000005%2FCPAT00045.pem"}
    assert b"PRIVATE KEY" not in files.authority.read_bytes()
    with pytest.raises(OperationError, match="making cards"):
        make_cards(files.authority, people, NOW)
