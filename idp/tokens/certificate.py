"""A client's TLS certificate as a trusted proxy hands it on, and what tokens bound to it say of it (RFC 8705)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from idp.keys.signing_key import base64url

#: Name of the confirmation member (RFC 8705 §3.1).
THUMBPRINT: Final = "x5t#S256"
#: How a thumbprint may be written: as RFC 8705 §3.1 says, or as ANS's samples show it (base64 of the hexadecimal text).
ENCODINGS: Final = ("rfc8705", "ans")
#: What the library raises for a certificate or a list, or a part of one, that cannot be read; TypeError for a name of bits.
UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The certificate of the connection's client; ``verified`` when the proxy found an authority it trusts above it."""

    x509: x509.Certificate
    verified: bool

    @property
    def der(self) -> bytes:
        """As it was sent in the handshake."""
        return self.x509.public_bytes(Encoding.DER)

    def thumbprint(self, encoding: str) -> str:
        """``x5t#S256`` in one of :data:`ENCODINGS`."""
        digest = hashlib.sha256(self.der)
        return base64.b64encode(digest.hexdigest().encode()).decode() if encoding == "ans" else base64url(digest.digest())

    @property
    def hexadecimal(self) -> str:
        """SHA-256 of it in upper-case hexadecimal, as ECS writes ``tls.client.hash.sha256``."""
        return hashlib.sha256(self.der).hexdigest().upper()

    def fits(self, thumbprint: str) -> bool:
        """Whether a token bound to ``thumbprint``, in either encoding, is this certificate's."""
        return any([hmac.compare_digest(thumbprint.encode(), self.thumbprint(encoding).encode()) for encoding in ENCODINGS])  # noqa: C419

    def current(self, now: datetime) -> bool:
        """Within its validity."""
        return self.x509.not_valid_before_utc <= now <= self.x509.not_valid_after_utc


def thumbprint_of(der: bytes) -> str:
    """``x5t#S256`` of a certificate in DER, as RFC 8705 §3.1 says."""
    return base64url(hashlib.sha256(der).digest())


def read_certificate(header: str, *, verified: bool) -> Certificate:
    """A header value: PEM in percent-encoding (nginx ``$ssl_client_escaped_cert``) or ``:base64 of DER:`` (RFC 9440).

    Raises ValueError.
    """
    if header.startswith(":") and header.endswith(":"):
        return Certificate(x509=_whole(read_der(header[1:-1])), verified=verified)
    return Certificate(x509=_whole(_loaded(x509.load_pem_x509_certificate, unquote(header).encode())), verified=verified)


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """The library reads the parts of a certificate when they are asked for: those that we ask for later are read now, or refused now."""
    try:
        _ = certificate.subject.rfc4514_string(), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as error:
        raise ValueError(str(error)) from error
    return certificate


def _loaded(load: Callable[[bytes], x509.Certificate], content: bytes) -> x509.Certificate:
    """The library has errors of its own that are no ValueError, such as for a version that X.509 does not have."""
    try:
        return load(content)
    except UNREADABLE as error:
        raise ValueError(str(error)) from error


def read_der(text: str) -> x509.Certificate:
    """A certificate in plain base64, as in ``x5c`` (RFC 7517 §4.7); raises ValueError."""
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    return _loaded(x509.load_der_x509_certificate, content)


def registered_certificates(jwks: Mapping[str, object] | None) -> Iterable[bytes]:
    """The first certificate of every key of a JWK set that has one, in DER."""
    keys = jwks.get("keys") if jwks else None
    for key in keys if isinstance(keys, list) else ():
        chain = key.get("x5c")
        if chain:
            yield base64.b64decode(chain[0])


def same_subject(certificate: Certificate, subject_dn: str) -> bool:
    """Whether the subject is the registered name, written as RFC 4514 says."""
    return certificate.x509.subject == x509.Name.from_rfc4514_string(subject_dn)


#: What reads the alternative names of one kind, by the registered member (RFC 8705 §2.1.2).
_NAMES: Final[Mapping[str, Callable[[x509.SubjectAlternativeName], list[str]]]] = {
    "tls_client_auth_san_dns": lambda names: names.get_values_for_type(x509.DNSName),
    "tls_client_auth_san_uri": lambda names: names.get_values_for_type(x509.UniformResourceIdentifier),
    "tls_client_auth_san_ip": lambda names: [str(address) for address in names.get_values_for_type(x509.IPAddress)],
    "tls_client_auth_san_email": lambda names: names.get_values_for_type(x509.RFC822Name),
}
#: Where certificates of IGC Santé for organisations hold the identifier of the structure; the rest of the subject is free
#: (ANS, guide «sécurisation transport»). Not of RFC 8705.
_STRUCTURE: Final = "tls_client_auth_subject_ou"
#: Members by one of which a client registers the certificates it will use.
NAME_MEMBERS: Final = ("tls_client_auth_subject_dn", _STRUCTURE, *_NAMES)


def is_name(member: str, value: str) -> bool:
    """Whether a certificate can be issued for what is registered under ``member``."""
    if not value:
        return False
    try:
        if member == "tls_client_auth_subject_dn":
            x509.Name.from_rfc4514_string(value)
        elif member == "tls_client_auth_san_ip":
            return str(ip_address(value)) == value
    except ValueError:
        return False
    return True


def has_name(certificate: Certificate, member: str, expected: str) -> bool:
    """Whether the certificate is issued for the registered name, exactly."""
    if member == "tls_client_auth_subject_dn":
        return same_subject(certificate, expected)
    if member == _STRUCTURE:
        # One unit alone: a certificate of several structures is nobody's.
        return [unit.value for unit in certificate.x509.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)] == [expected]
    try:
        names = certificate.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return expected in _NAMES[member](names)
