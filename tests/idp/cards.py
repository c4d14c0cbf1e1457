"""Throw-away authorities of cards, the cards that they issue and the lists of those that they revoke."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

CLIENT, SERVER, EMAIL = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def escaped(self) -> str:
        """As nginx writes ``$ssl_client_escaped_cert``."""
        return quote(self.pem.decode(), safe="")


class Authority(Issued):
    """One that may issue; under another one, or its own root."""

    def __init__(self, name: str, at: datetime, above: "Authority | None" = None, *, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        made = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name.from_rfc4514_string(name)
        builder = _builder(subject, above.certificate.subject if above else subject, made, at - DAY, at + 3650 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        if above is not None:
            builder = builder.add_extension(_above(above), critical=False)
        super().__init__(builder.sign(above.key if above else made, hashes.SHA256()), made)
        self._at = at

    def card(
        self,
        subject: str,
        *,
        usages: Sequence[x509.ObjectIdentifier] = (CLIENT,),
        begins: datetime | None = None,
        ends: datetime | None = None,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        is_authority: bool = False,
        signs: bool = True,
    ) -> Issued:
        """A card for this subject, written as RFC 4514 says; ``extra``: extensions, and whether they are critical."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string(subject)
        builder = _builder(name, self.certificate.subject, key, begins or self._at - DAY, ends or self._at + 365 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        builder = builder.add_extension(_above(self), critical=False).add_extension(_usage(signs=signs), critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return Issued(builder.sign(self.key, hashes.SHA256()), key)

    def revokes(
        self,
        *cards: Issued,
        at: datetime | None = None,
        life: timedelta = 7 * DAY,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        signed_by: "Authority | None" = None,
    ) -> x509.CertificateRevocationList:
        """The list of those revoked, and of nobody else."""
        begins = at or self._at
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject).last_update(begins).next_update(begins + life)
        )
        for card in cards:
            entry = x509.RevokedCertificateBuilder().serial_number(card.certificate.serial_number).revocation_date(begins).build()
            builder = builder.add_revoked_certificate(entry)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign((signed_by or self).key, hashes.SHA256())


def pem_of(*lists: x509.CertificateRevocationList) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in lists)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _above(authority: Issued) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _usage(*, signs_certificates: bool = False, signs: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs and not signs_certificates,
        content_commitment=not signs,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
