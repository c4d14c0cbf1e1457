"""A throw-away authority and the client certificates it issues."""

import base64
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NAMES: list[x509.GeneralName] = [
    x509.DNSName("client.example"),
    x509.UniformResourceIdentifier("urn:veilleur:client"),
    x509.IPAddress(ip_address("192.0.2.7")),
    x509.RFC822Name("client@service.example"),
]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Issued:
    """A certificate with its key; self-signed without ``authority``."""

    def __init__(
        self,
        subject: str,
        at: datetime,
        authority: "Issued | None" = None,
        *,
        is_authority: bool = False,
        host: str | None = None,
        with_rsa: bool = False,
    ) -> None:
        self.key = rsa.generate_private_key(65537, 2048) if with_rsa else ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string(subject)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(authority.certificate.subject if authority else name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_name(host)] if host else NAMES), critical=False)
        )
        self.certificate = builder.sign(authority.key if authority else self.key, hashes.SHA256())

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

    @property
    def der_base64(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()

    def jwk(self) -> dict[str, object]:
        """The public key with its certificate, as a client registers it."""
        point = self.key.public_key().public_numbers()
        x, y = (base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode() for value in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "x5c": [self.der_base64]}
