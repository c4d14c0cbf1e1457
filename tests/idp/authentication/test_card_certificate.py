"""What a certificate of a card proves, and which do not."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.card_certificate import Cards, attribute_oid, open_cards, read_authorities
from idp.authentication.refusal import AuthenticationRefused
from idp.errors import OperationError
from idp.tokens.certificate import Certificate
from tests.idp.cards import CLIENT, DAY, EMAIL, SERVER, Authority, Issued, pem_of
from tests.idp.wire import START

ROOT = Authority("CN=Racine d'essai,O=Exemple,C=FR", START)
ISSUER = Authority("CN=Cartes d'essai,O=Exemple,C=FR", START, ROOT)
SUBJECT = "CN=899700000005,GIVENNAME=CAMILLE,SURNAME=MORVAN,C=FR".replace("GIVENNAME", "2.5.4.42").replace("SURNAME", "2.5.4.4")
CARD = ISSUER.card(SUBJECT)
CARDS = Cards([ROOT.certificate, ISSUER.certificate], None, NameOID.COMMON_NAME)


def _read(issued: Issued, cards: Cards = CARDS) -> str:
    return cards.read(Certificate(x509=issued.certificate, verified=False), START).national_id


def _fault(issued: Issued, cards: Cards = CARDS) -> str:
    with pytest.raises(AuthenticationRefused) as raised:
        _read(issued, cards)
    return raised.value.error


@pytest.mark.spec("RFC5280-6.1")
def test_a_card_of_an_authority_in_the_file_names_its_holder() -> None:
    card = CARDS.read(Certificate(x509=CARD.certificate, verified=False), START)
    assert card.national_id == "899700000005"
    assert len(card.thumbprint) == 64
    assert card.thumbprint == card.thumbprint.upper()
    assert _read(ISSUER.card("CN=99700000005")) == "899700000005", "a bare RPPS is meant as one"
    assert _read(ISSUER.card("2.5.4.42=CAMILLE+2.5.4.4=MORVAN+CN=899700000005,OU=Médecin,O=Exemple,C=FR")) == "899700000005"


@pytest.mark.spec("RFC5280-6.1")
def test_a_card_that_anybody_else_made_is_refused() -> None:
    stranger = Authority("CN=Inconnue", START)
    namesake = Authority("CN=Cartes d'essai,O=Exemple,C=FR", START, ROOT)
    strange_root = Authority("CN=Racine d'essai,O=Exemple,C=FR", START)
    under = Authority("CN=Cartes d'essai,O=Exemple,C=FR", START, strange_root)
    for made in (stranger.card(SUBJECT), under.card(SUBJECT)):
        assert _fault(made) == "card_authority"
    # It has the name of the one in the file, and no certificate of it ever reaches us.
    assert _fault(namesake.card(SUBJECT)) == "card_authority"
    assert _fault(Issued(ISSUER.certificate, ISSUER.key)) == "card_purpose"
    assert _fault(ISSUER.card(SUBJECT, is_authority=True)) == "card_authority"


def test_a_chain_needs_every_authority_up_to_one_that_is_believed() -> None:
    alone = Cards([ISSUER.certificate], None, NameOID.COMMON_NAME)
    assert _read(CARD, alone) == "899700000005", "whoever has nobody above in the file ends the chain"
    root_alone = Cards([ROOT.certificate], None, NameOID.COMMON_NAME)
    assert _fault(CARD, root_alone) == "card_authority"
    assert _read(ROOT.card(SUBJECT), root_alone) == "899700000005"


def test_a_refusal_repeats_nothing_that_somebody_wrote_into_a_certificate() -> None:
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    named = "CN=Quelqu un"
    stranger = Authority(named, START)
    for made in (
        stranger.card(named),
        ISSUER.card(named),
        ISSUER.card(named, is_authority=True),
        ISSUER.card(named, signs=False),
        ISSUER.card(named, usages=()),
        ISSUER.card(named, extra=[(strange, True)]),
    ):
        with pytest.raises(AuthenticationRefused) as raised:
            _read(made)
        assert "Quelqu" not in str(raised.value)


@pytest.mark.spec("RFC5280-4.2.1.12")
def test_a_certificate_for_something_else_is_refused() -> None:
    for usages in ((), (EMAIL,), (SERVER,)):
        assert _fault(ISSUER.card(SUBJECT, usages=usages)) == "card_purpose"
    assert _read(ISSUER.card(SUBJECT, usages=(EMAIL, CLIENT))) == "899700000005"
    assert _fault(ISSUER.card(SUBJECT, signs=False)) == "card_authority"


def test_a_critical_extension_that_nobody_here_knows_is_refused() -> None:
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.250.1.213.999.1"), b"\x05\x00")
    assert _fault(ISSUER.card(SUBJECT, extra=[(strange, True)])) == "card_authority"
    assert _read(ISSUER.card(SUBJECT, extra=[(strange, False)])) == "899700000005"


@pytest.mark.spec("RFC5280-4.1.2.5")
def test_a_card_counts_within_its_dates() -> None:
    assert _fault(ISSUER.card(SUBJECT, begins=START - 9 * DAY, ends=START - DAY)) == "card_expired"
    assert _fault(ISSUER.card(SUBJECT, begins=START + DAY)) == "card_not_yet_valid"
    assert _read(ISSUER.card(SUBJECT, begins=START, ends=START)) == "899700000005"


@pytest.mark.parametrize("subject", ["C=FR", "CN=899700000005,CN=899700000039", "CN=CAMILLE MORVAN", "CN=899700000006"])
def test_a_card_that_names_nobody_or_two_is_refused(subject: str) -> None:
    assert _fault(ISSUER.card(subject)) == "card_nameless"


def test_the_identifier_may_stand_in_another_attribute() -> None:
    issued = ISSUER.card("CN=CAMILLE MORVAN,2.5.4.5=899700000005")
    authorities = [ROOT.certificate, ISSUER.certificate]
    for name in ("serialNumber", "SERIALNUMBER", "2.5.4.5"):
        assert _read(issued, Cards(authorities, None, attribute_oid(name))) == "899700000005"
    with pytest.raises(OperationError, match="IDP_CARD_IDENTIFIER=prenom"):
        attribute_oid("prenom")


def test_a_revoked_card_is_refused_through_the_settings(tmp_path: Path) -> None:
    authorities, lists = tmp_path / "authorities.pem", tmp_path / "lists.pem"
    authorities.write_bytes(ROOT.pem + ISSUER.pem)
    lists.write_bytes(pem_of(ISSUER.revokes(CARD)))
    cards = open_cards(authorities, lists, "CN")
    assert _fault(CARD, cards) == "card_revoked"
    assert _read(ISSUER.card(SUBJECT), cards) == "899700000005"


def test_a_file_of_authorities_that_cannot_serve_is_named(tmp_path: Path) -> None:
    path = tmp_path / "authorities.pem"
    for content in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ROOT.pem + CARD.pem):
        path.write_bytes(content)
        with pytest.raises(OperationError, match="authorities.pem"):
            read_authorities(path)
    with pytest.raises(OperationError, match="none.pem"):
        read_authorities(tmp_path / "none.pem")


@given(place=st.integers(0, 2000), value=st.integers(1, 255))
def test_a_certificate_with_one_byte_changed_is_nobodys(place: int, value: int) -> None:
    der = bytearray(Certificate(x509=CARD.certificate, verified=False).der)
    der[place % len(der)] ^= value
    try:
        changed = x509.load_der_x509_certificate(bytes(der))
        changed.subject, changed.extensions, changed.not_valid_after_utc  # noqa: B018 (read when asked for)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return
    with pytest.raises(AuthenticationRefused):
        CARDS.read(Certificate(x509=changed, verified=True), START)
