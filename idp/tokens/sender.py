"""Who may use a token: the key or the certificate that it is bound to (``cnf``: RFC 7800, RFC 9449 §6, RFC 8705 §3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from idp.errors import InvalidDpopProof, InvalidGrant
from idp.model import Client, Grant, Profile
from idp.model.quick import quick
from idp.profiles import rules_of
from idp.tokens.certificate import THUMBPRINT, Certificate


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What the one who asks proved to hold: a DPoP key (its thumbprint), and the certificate of the TLS connection."""

    jkt: str | None = None
    certificate: Certificate | None = None


def require_sender(client: Client, sender: Sender) -> None:
    """Raise unless the sender proved what the client is held to: by registration (RFC 9449 §5.2) or by FAPI 2.0 §5.3.2.1."""
    by_certificate = client.tls_client_certificate_bound_access_tokens
    if by_certificate and sender.certificate is None:
        raise InvalidGrant("this client gets tokens bound to its certificate alone: connect with it", detail="no client certificate")
    if sender.jkt is None and (client.dpop_bound_access_tokens or (client.profile is Profile.FAPI2 and not by_certificate)):
        raise InvalidDpopProof("this client gets tokens bound to a key alone: send a DPoP proof")


def check_bound(sender: Sender, grant: Grant, bound_jkt: str | None) -> None:
    """Raise unless the sender holds what the code or the refresh token is bound to (RFC 9449 §5, §10; RFC 8705 §4)."""
    bound = grant.certificate_thumbprint
    if bound is not None and (sender.certificate is None or not sender.certificate.fits(bound)):
        raise InvalidGrant("the grant is bound to another certificate, or the certificate is missing: connect with that one")
    if bound_jkt is not None and sender.jkt != bound_jkt:
        raise InvalidGrant("the grant is bound to another DPoP key, or the DPoP proof is missing: prove that one")


def confirmation(client: Client, sender: Sender) -> Mapping[str, str]:
    """The ``cnf`` of a token made for this sender; empty for a bearer token."""
    bound = {"jkt": sender.jkt} if sender.jkt is not None else {}
    if client.tls_client_certificate_bound_access_tokens and sender.certificate is not None:
        bound[THUMBPRINT] = sender.certificate.thumbprint(rules_of(client).certificate_confirmation)
    return bound


def binding(confirmation: Mapping[str, str]) -> str | None:
    """How the audit log calls it."""
    if "jkt" in confirmation:
        return "dpop"
    return "mtls" if THUMBPRINT in confirmation else None


def bind(grant: Grant, client: Client, sender: Sender) -> Grant:
    """The grant, its refresh tokens bound when they need it."""
    if client.token_endpoint_auth_method != "none":
        # It proves itself at every refresh; a public client has no other proof than this one (RFC 9449 §5, RFC 8705 §4).
        return grant
    thumbprint = confirmation(client, sender).get(THUMBPRINT)
    return replace(grant, dpop_jkt=grant.dpop_jkt or sender.jkt, certificate_thumbprint=grant.certificate_thumbprint or thumbprint)
