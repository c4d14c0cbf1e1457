"""What the certificate of a card proves: whose it is, as far as authorities, purpose, dates and revocation lists allow.

The handshake of TLS has proved the private key, and a trusted proxy hands on the certificate alone, so everything else is looked at
here, by the path validation of RFC 5280 §6: the proxy's own word on the chain is not needed, and not believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from idp.authentication.card_revocation import RevocationLists
from idp.authentication.limits import normalised_national_id
from idp.authentication.refusal import AuthenticationRefused
from idp.errors import OperationError
from idp.tokens.certificate import UNREADABLE, Certificate
from vocabulary.identifiers import IdentifierError, PsIdNat

#: Most authorities between a card and its root, the issuer included.
_MAX_DEPTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card that holds: the national identifier (PS_IdNat) it was issued for, and the thumbprint of its certificate (SHA-256, hex)."""

    national_id: str
    thumbprint: str


class HeldCardRefused(AuthenticationRefused):
    """A card whose certificate says truly whose it is, and that does not count: whom it concerns is known."""

    def __init__(self, refusal: AuthenticationRefused, national_id: str) -> None:
        super().__init__(refusal.error, refusal.detail, status=refusal.status)
        self.national_id = national_id


class Cards:
    """The cards that are taken here. ``identifier``: the attribute of the subject that says whose a card is."""

    def __init__(self, authorities: Sequence[x509.Certificate], revocations: RevocationLists | None, identifier: x509.ObjectIdentifier):
        anchors, self._intermediates = _arranged(authorities)
        self._store = Store(anchors)
        self._revocations = revocations
        self._identifier = identifier

    def read(self, certificate: Certificate, now: datetime) -> Card:
        """The card, after all checks; reads the file of revocation lists when it has changed, so call it in a thread.

        Raises AuthenticationRefused: ``card_expired``, ``card_not_yet_valid``, ``card_unreadable``, ``card_purpose``, ``card_authority``,
        ``card_nameless``; :class:`HeldCardRefused`: ``card_revoked``, ``card_unchecked`` (no revocation list says whether).
        """
        leaf = certificate.x509
        if now > leaf.not_valid_after_utc:
            raise _refused("card_expired", f"the certificate of the card ended at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")
        if now < leaf.not_valid_before_utc:
            raise _refused("card_not_yet_valid", f"the certificate begins at {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
        try:
            extensions = leaf.extensions
        except UNREADABLE as error:
            raise _refused("card_unreadable", f"an extension of the certificate cannot be read ({type(error).__name__})") from error
        if not _is_for_clients(extensions):
            raise _refused("card_purpose", "the certificate is not for the authentication of a client")
        chain = self._chain(leaf, now)
        national_id = self._national_id(leaf)
        if self._revocations is not None:
            try:
                self._revocations.check(chain, now)
            except AuthenticationRefused as refusal:
                raise HeldCardRefused(refusal, national_id) from refusal
        return Card(national_id=national_id, thumbprint=certificate.hexadecimal)

    def _chain(self, leaf: x509.Certificate, now: datetime) -> Sequence[x509.Certificate]:
        verifier = (
            PolicyBuilder()
            .store(self._store)
            .time(now)
            .max_chain_depth(_MAX_DEPTH)
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_CARD)
            .build_client_verifier()
        )
        try:
            return verifier.verify(leaf, self._intermediates).chain
        except (VerificationError, *UNREADABLE) as error:
            # What the library adds in brackets are names that whoever made the certificate chose.
            detail = str(error).partition(" (encountered processing")[0][:200]
            raise _refused("card_authority", f"no authority of cards stands behind the certificate: {detail}") from error

    def _national_id(self, leaf: x509.Certificate) -> str:
        """One value alone: a certificate of two people is nobody's."""
        values = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(self._identifier)]
        if len(values) != 1:
            raise _refused("card_nameless", f"the subject has {len(values)} values of {self._identifier.dotted_string}")
        try:
            return str(PsIdNat.parse(normalised_national_id(str(values[0]))))
        except IdentifierError as error:
            raise _refused("card_nameless", f"{self._identifier.dotted_string} of the subject is not a national identifier") from error


def open_cards(authorities: Path, revocations: Path | None, identifier: str) -> Cards:
    """The cards that the settings describe; raises :class:`OperationError` naming what cannot be used.

    Revocation lists that cannot be read are no reason not to start: cards are refused until they can.
    """
    return Cards(read_authorities(authorities), RevocationLists(revocations) if revocations else None, attribute_oid(identifier))


def read_authorities(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file; raises :class:`OperationError` where one of them is none, or is not of an authority."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        for one in found:
            if not _is_authority(one):
                raise ValueError(f"{one.subject.rfc4514_string()} is not an authority: take it out")
    except (OSError, *UNREADABLE) as error:
        raise OperationError(f"reading the authorities of cards ({error})", str(path), retry_helps=False) from error
    return found


def attribute_oid(name: str) -> x509.ObjectIdentifier:
    """The attribute of a subject by its name (``CN``, ``serialNumber``, ``UID``) or OID; raises :class:`OperationError`."""
    named = {oid_name.upper(): oid for oid_name, oid in _ATTRIBUTES.items()}.get(name.upper())
    try:
        return named or x509.ObjectIdentifier(name)
    except ValueError as error:
        known = ", ".join(_ATTRIBUTES)
        raise OperationError(f"finding the attribute (known by name: {known})", f"IDP_CARD_IDENTIFIER={name}", retry_helps=False) from error


_ATTRIBUTES: Final = {
    "CN": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "UID": NameOID.USER_ID,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "title": NameOID.TITLE,
}


def _arranged(authorities: Sequence[x509.Certificate]) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """Those that a chain ends at (a root, or whoever has nobody above in the file), and those that stand between."""
    subjects = {one.subject for one in authorities}
    anchors = [one for one in authorities if one.issuer == one.subject or one.issuer not in subjects]
    return anchors, [one for one in authorities if one not in anchors]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_for_clients(extensions: x509.Extensions) -> bool:
    """A card also holds a certificate for signatures, and authorities issue for other purposes: only the one for this counts."""
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages


def _signs(_policy: Policy, _leaf: x509.Certificate, usage: x509.ExtensionType | None) -> None:
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        raise ValueError("its key is not for the signatures of a handshake")


def _is_nobodys_authority(_policy: Policy, _leaf: x509.Certificate, constraints: x509.ExtensionType | None) -> None:
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise ValueError("it is the certificate of an authority")


#: Of the card's own certificate. The profile of the web would demand an alternative name, which cards need not have; an extension that is
#: critical and unknown is refused by the library.
_CARD: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_nobodys_authority)
)


def _refused(error: str, detail: str) -> AuthenticationRefused:
    return AuthenticationRefused(error, detail, status=403)
