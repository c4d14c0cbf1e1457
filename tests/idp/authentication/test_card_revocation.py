"""Lists of revoked cards: current, stale, missing, replaced, and those that say only a part."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from idp.authentication.card_revocation import RevocationLists, is_current, read_lists
from idp.authentication.refusal import AuthenticationRefused
from tests.idp.cards import DAY, Authority, Issued, pem_of
from tests.idp.wire import START

ROOT = Authority("CN=Racine d'essai", START)
ISSUER = Authority("CN=Cartes d'essai", START, ROOT)
LOST, KEPT = ISSUER.card("CN=899700000005"), ISSUER.card("CN=899700000039")
CHAIN_LOST, CHAIN_KEPT = ([one.certificate, ISSUER.certificate, ROOT.certificate] for one in (LOST, KEPT))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lists.pem"


def _fault(lists: RevocationLists, chain: list[x509.Certificate] = CHAIN_KEPT, now: datetime = START) -> str:
    try:
        lists.check(chain, now)
    except AuthenticationRefused as refusal:
        return f"{refusal.error}: {refusal.detail}"
    return ""


@pytest.mark.spec("RFC5280-6.3")
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["pem", "der"])
def test_who_is_on_the_list_is_out_and_nobody_else(path: Path, encoding: Encoding) -> None:
    path.write_bytes(ISSUER.revokes(LOST).public_bytes(encoding))
    lists = RevocationLists(path)
    assert _fault(lists, CHAIN_LOST).startswith("card_revoked")
    assert _fault(lists, CHAIN_KEPT) == ""


@pytest.mark.spec("RFC5280-5.1.2.5")
def test_without_a_current_list_of_its_authority_no_card_is_taken(path: Path) -> None:
    lists = RevocationLists(path)
    assert _fault(lists).startswith("card_unchecked"), "there is no file"
    path.write_bytes(pem_of(ISSUER.revokes()))
    assert _fault(lists) == ""
    assert "is not current" in _fault(lists, now=START + 8 * DAY)
    assert "CN=Cartes d'essai" in _fault(lists, now=START + 8 * DAY)
    assert "is not current" in _fault(lists, now=START - DAY)
    assert _fault(lists, CHAIN_LOST, now=START + 8 * DAY).startswith("card_unchecked")


def test_a_stale_list_still_says_who_is_out(path: Path) -> None:
    path.write_bytes(pem_of(ISSUER.revokes(LOST)))
    assert _fault(RevocationLists(path), CHAIN_LOST, now=START + 8 * DAY).startswith("card_revoked")


def test_a_file_that_is_replaced_is_read_again(path: Path) -> None:
    path.write_bytes(pem_of(ISSUER.revokes()))
    lists = RevocationLists(path)
    assert _fault(lists, CHAIN_LOST) == ""
    after = path.with_suffix(".new")
    after.write_bytes(pem_of(ISSUER.revokes(LOST)))
    os.replace(after, path)
    assert _fault(lists, CHAIN_LOST).startswith("card_revoked")


def test_a_file_that_is_broken_leaves_what_was_read_before(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(pem_of(ISSUER.revokes(LOST)))
    lists = RevocationLists(path)
    lists.check(CHAIN_KEPT, START)
    path.write_bytes(b"<html>proxy error</html>")
    assert _fault(lists, CHAIN_LOST).startswith("card_revoked")
    assert _fault(lists, CHAIN_KEPT) == ""
    assert "lists.pem cannot be read" in caplog.text
    assert caplog.text.count("cannot be read") == 1, "once for each file"
    assert "is not current" in _fault(lists, now=START + 8 * DAY)
    path.unlink()
    assert _fault(lists) == ""


@pytest.mark.spec("RFC5280-6.3.3")
def test_a_list_that_somebody_else_signed_counts_for_nothing(path: Path) -> None:
    namesake = Authority("CN=Cartes d'essai", START, ROOT)
    path.write_bytes(pem_of(ISSUER.revokes(LOST, signed_by=namesake)))
    assert "has no revocation list of CN=Cartes d'essai" in _fault(RevocationLists(path))


def test_an_authority_that_its_own_revoked_takes_its_cards_with_it(path: Path) -> None:
    revoked = Issued(ISSUER.certificate, ISSUER.key)
    path.write_bytes(pem_of(ISSUER.revokes(), ROOT.revokes(revoked)))
    assert _fault(RevocationLists(path)).startswith("card_revoked")
    path.write_bytes(pem_of(ISSUER.revokes(), ROOT.revokes(at=START - 9 * DAY)))
    assert "CN=Racine d'essai" in _fault(RevocationLists(path))
    path.write_bytes(pem_of(ISSUER.revokes()))
    assert _fault(RevocationLists(path)) == "", "of those above, what the file has counts"


@pytest.mark.spec("RFC5280-5.2.4", "RFC5280-5.2.5")
def test_a_list_that_says_only_a_part_is_refused_by_name(path: Path) -> None:
    point = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    parts: list[x509.ExtensionType] = [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(**{**point, "indirect_crl": True}),  # type: ignore[arg-type]
        x509.IssuingDistributionPoint(**{**point, "only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})}),  # type: ignore[arg-type]
        x509.IssuingDistributionPoint(**{**point, "only_contains_ca_certs": True}),  # type: ignore[arg-type]
    ]
    for part in parts:
        path.write_bytes(pem_of(ISSUER.revokes(extra=[(part, True)])))
        with pytest.raises(ValueError, match="CN=Cartes d'essai is not a whole one"):
            read_lists(path)


@pytest.mark.spec("RFC5280-6.3.3")
def test_a_list_of_one_distribution_point_covers_its_cards_alone(path: Path) -> None:
    def names(address: str) -> list[x509.GeneralName]:
        return [x509.UniformResourceIdentifier(address)]

    def card(address: str) -> list[x509.Certificate]:
        points = x509.CRLDistributionPoints([x509.DistributionPoint(names(address), None, None, None)])
        issued = ISSUER.card("CN=899700000005", extra=[(points, False)])
        return [issued.certificate, ISSUER.certificate, ROOT.certificate]

    one = x509.IssuingDistributionPoint(names("http://crl.example/1"), None, True, False, None, False, False)
    path.write_bytes(pem_of(ISSUER.revokes(extra=[(one, True)])))
    lists = RevocationLists(path)
    assert _fault(lists, card("http://crl.example/1")) == ""
    assert _fault(lists, card("http://crl.example/2")).startswith("card_unchecked")
    assert _fault(lists, CHAIN_KEPT).startswith("card_unchecked")


def test_the_dates_of_a_list_are_its_bounds() -> None:
    made = ISSUER.revokes()
    assert [is_current(made, at) for at in (START - DAY, START, START + 7 * DAY, START + 8 * DAY)] == [False, True, True, False]
