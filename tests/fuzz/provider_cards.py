"""Certificates of cards as anybody may present them, and the files of revoked ones as somebody fetched them."""

from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from idp.authentication.card_certificate import Cards
from idp.authentication.card_revocation import parse_lists
from idp.authentication.refusal import AuthenticationRefused
from idp.errors import OperationError
from idp.tokens.certificate import UNREADABLE, Certificate
from tests.fuzz.target import Target
from tests.idp.cards import Authority, Issued, pem_of

_AT: Final = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


@cache
def _issuer() -> Authority:
    return Authority("CN=Cartes", _AT)


@cache
def _card() -> Issued:
    address = [x509.UniformResourceIdentifier("http://crl.example/1")]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(address, None, None, None)])
    return _issuer().card("CN=899700000005", extra=[(points, False)])


def _read(data: bytes) -> object:
    try:
        found = x509.load_der_x509_certificate(data)
        found.subject.rfc4514_string(), found.not_valid_before_utc, found.not_valid_after_utc
    except UNREADABLE:
        return None
    return Cards([_issuer().certificate], None, NameOID.COMMON_NAME).read(Certificate(x509=found, verified=True), _AT)


def _lists(data: bytes) -> object:
    try:
        return parse_lists(data)
    except ValueError as error:
        raise OperationError("reading, as whoever has the file says it", "lists", retry_helps=False) from error


TARGETS: Final = (
    Target(
        name="card",
        parse=_read,
        refusals=(AuthenticationRefused,),
        reads=("idp/authentication/card_certificate.py",),
        seeds=(_card().certificate.public_bytes(Encoding.DER), _issuer().certificate.public_bytes(Encoding.DER), b""),
        examples=80,
    ),
    Target(
        name="revocation-lists",
        parse=_lists,
        refusals=(OperationError,),
        reads=("idp/authentication/card_revocation.py",),
        seeds=(
            pem_of(_issuer().revokes(_card()), _issuer().revokes()),
            _issuer().revokes(_card()).public_bytes(Encoding.DER),
            pem_of(_issuer().revokes(extra=[(x509.DeltaCRLIndicator(1), True)])),
            b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        ),
    ),
)
