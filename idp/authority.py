"""Certificate authorities for development: one lets a machine answer under names that are not its own, another gives people cards.

The first may certify the names it was made for and nothing else (RFC 5280 §4.2.1.10), so that somebody who trusts it, and loses its key,
loses no more than that; kept in a folder, it needs to be trusted once. The second is forgotten as soon as its cards are made.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from idp.errors import OperationError

_LOOPBACK: Final = "127.0.0.1"
_AUTHORITY_LIFE: Final = timedelta(days=365)
#: Clients refuse certificates of servers that live much longer.
_SERVER_LIFE: Final = timedelta(days=90)
#: Clocks differ.
_SINCE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Files:
    """What a TLS server needs, and ``authority``: what its clients must trust."""

    authority: Path
    certificate: Path
    key: Path


def certify(folder: Path, names: Sequence[str], now: datetime) -> Files:
    """Files for a server of these names on loopback; the authority in ``folder`` is made if there is none, or none that is still good.

    Raises :class:`OperationError` where the folder cannot be used.
    """
    files = Files(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority, key = _authority(folder, names, now)
        server_key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server(authority, key, server_key.public_key(), names, now)
        _write(files.key, _pem(server_key))
        _write(files.certificate, certificate.public_bytes(Encoding.PEM))
    except (OSError, ValueError) as error:
        raise OperationError(f"making certificates ({error})", str(folder), retry_helps=False) from error
    return files


@dataclass(frozen=True, slots=True)
class CardFiles:
    """The authority of cards, and the card of each person by national identifier: certificate and key in one file."""

    authority: Path
    cards: Mapping[str, Path]


def make_cards(folder: Path, national_ids: Sequence[str], now: datetime) -> CardFiles:
    """A card for each person; raises :class:`OperationError` where the folder cannot be used."""
    # An identifier of an employee may hold a slash.
    files = CardFiles(folder / "authority.pem", {one: folder / f"{quote(one, safe='')}.pem" for one in national_ids})
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Veilleur, cards for development")])
    made = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(files.authority, made.public_bytes(Encoding.PEM))
        for national_id, place in files.cards.items():
            card_key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, national_id)])
            card = (
                _builder(subject, name, card_key.public_key(), now, _AUTHORITY_LIFE)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(_usage(signs_certificates=False), critical=True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            _write(place, card.public_bytes(Encoding.PEM) + _pem(card_key))
    except OSError as error:
        raise OperationError(f"making cards ({error})", str(folder), retry_helps=False) from error
    return files


def _authority(folder: Path, names: Sequence[str], now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    place, key_place = folder / "authority.pem", folder / "authority.key"
    if place.exists() and key_place.exists():
        known = x509.load_pem_x509_certificate(place.read_bytes())
        key = load_pem_private_key(key_place.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and known.not_valid_after_utc > now + _SERVER_LIFE and _may_certify(known, names):
            return known, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Veilleur, development on this machine ({now:%Y-%m-%d})")])
    permitted = [*map(x509.DNSName, names), x509.IPAddress(ip_network(f"{_LOOPBACK}/32"))]
    made = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_place, _pem(key))
    _write(place, made.public_bytes(Encoding.PEM))
    return made, key


def _may_certify(authority: x509.Certificate, names: Sequence[str]) -> bool:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = {name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)}
    return permitted >= set(names)


def _server(
    authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey, names: Sequence[str], now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = [*map(x509.DNSName, names), x509.IPAddress(ip_address(_LOOPBACK))]
    return (
        _builder(subject, authority.subject, public, now, _SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SINCE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """For the owner alone, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
