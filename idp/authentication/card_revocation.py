"""Revocation lists of the authorities of cards (RFC 5280 §5, §6.3): a file that whoever fetches them replaces, read again when it changes.

A list that is missing, or past its ``nextUpdate``, says nothing, and then no card of its authority is taken: a lost card must not come
in because the lists stopped coming. A file that cannot be read any more leaves what was read before, which ages by itself.
"""

import logging
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography import x509

from idp.authentication.refusal import AuthenticationRefused
from idp.tokens.certificate import UNREADABLE

_LOG = logging.getLogger("idp")
_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


class RevocationLists:
    """The lists of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._seen: tuple[int, ...] = ()
        self._lists: Sequence[x509.CertificateRevocationList] = ()
        #: Lists whose signature by an authority was verified.
        self._verified: set[tuple[int, bytes]] = set()

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Look up every certificate of a chain (the card's first) in the lists of the one above it.

        The card's own authority must have a current list; those above are held to the lists that the file has of them.
        Raises AuthenticationRefused ``card_revoked`` or ``card_unchecked``.
        """
        with self._lock:
            self._refresh()
            for place, (certificate, authority) in enumerate(pairwise(chain)):
                self._look_up(certificate, authority, now, needed=place == 0)

    def _look_up(self, certificate: x509.Certificate, authority: x509.Certificate, now: datetime, *, needed: bool) -> None:
        lists = [one for one in self._lists if self._is_of(one, authority) and _covers(one, certificate)]
        for one in lists:
            if one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise AuthenticationRefused("card_revoked", "the authority has revoked the certificate of the card", status=403)
        if any(is_current(one, now) for one in lists) or not (needed or lists):
            return
        name = authority.subject.rfc4514_string()
        if not lists:
            detail = f"{self._path} has no revocation list of {name}"
        else:
            dates = ", ".join(f"{one.last_update_utc:%Y-%m-%dT%H:%MZ} to {one.next_update_utc:%Y-%m-%dT%H:%MZ}" for one in lists)
            detail = f"the revocation list of {name} in {self._path} is not current, by its thisUpdate and nextUpdate: {dates}"
        raise AuthenticationRefused("card_unchecked", detail, status=503)

    def _is_of(self, one: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
        """Signed by this very key: another authority may have taken the name."""
        if one.issuer != authority.subject:
            return False
        pair = (id(one), authority.tbs_certificate_bytes)
        if pair not in self._verified:
            try:
                if not one.is_signature_valid(authority.public_key()):  # type: ignore[arg-type]  # of an authority whose signature was verified
                    return False
            except UNREADABLE:
                return False
            self._verified.add(pair)
        return True

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            self._seen = seen
            self._lists, self._verified = read_lists(self._path), set()
        except (OSError, ValueError) as error:
            _LOG.warning(
                "revocation lists of cards: %s cannot be read (%s); what was read before counts until its nextUpdate", self._path, error
            )


def read_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """Every list of the file; raises OSError, or as :func:`parse_lists`."""
    return parse_lists(path.read_bytes())


def parse_lists(content: bytes) -> list[x509.CertificateRevocationList]:
    """One list in DER, or several in PEM; raises ValueError for one that cannot be read or says only a part (RFC 5280 §5.2.4, §5.2.5)."""
    try:
        found = [x509.load_pem_x509_crl(block) for block in _PEM.findall(content)] or [x509.load_der_x509_crl(content)]
        for one in found:
            _check_whole(one)
    except UNREADABLE as error:
        raise ValueError(str(error)) from error
    return found


def _check_whole(one: x509.CertificateRevocationList) -> None:
    name = one.issuer.rfc4514_string()
    if one.next_update_utc is None:
        raise ValueError(f"the list of {name} has no nextUpdate")
    for extension in one.extensions:
        point = extension.value
        partial = isinstance(point, x509.IssuingDistributionPoint) and (
            point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs or point.only_contains_ca_certs
        )
        if partial or isinstance(point, x509.DeltaCRLIndicator) or (extension.critical and not isinstance(point, _UNDERSTOOD)):
            raise ValueError(f"the list of {name} is not a whole one (extension {extension.oid.dotted_string})")


_UNDERSTOOD: Final = (x509.IssuingDistributionPoint, x509.AuthorityKeyIdentifier, x509.CRLNumber)


def is_current(one: x509.CertificateRevocationList, now: datetime) -> bool:
    """Within its dates."""
    return one.next_update_utc is not None and one.last_update_utc <= now <= one.next_update_utc


def _covers(one: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether a list of one distribution point is that of the certificate (§6.3.3 b 2 i); one of no point covers all."""
    try:
        names = set(one.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value.full_name or ())
    except x509.ExtensionNotFound:
        return True
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return not names
    return not names or any(names & set(point.full_name or ()) for point in points)
