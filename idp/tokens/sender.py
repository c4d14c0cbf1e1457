"""Who may use a token: the key or the certificate that it is bound to (``cnf``: RFC 7800, RFC 9449 §6, RFC 8705 §3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from idp.errors import InvalidDpopProof, InvalidGrant
from idp.model import Client, Grant, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What the one who asks proved to hold: the thumbprint of a DPoP key."""

    jkt: str | None = None


def require_sender(client: Client, sender: Sender) -> None:
    """Raise unless the sender proved what the client is held to: by registration (RFC 9449 §5.2) or by FAPI 2.0 §5.3.2.1."""
    if sender.jkt is None and (client.dpop_bound_access_tokens or client.profile is Profile.FAPI2):
        raise InvalidDpopProof("this client gets tokens bound to a key alone: send a DPoP proof")


def check_bound(sender: Sender, bound_jkt: str | None) -> None:
    """Raise unless the sender holds the key that the code or the refresh token is bound to (RFC 9449 §5, §10)."""
    if bound_jkt is not None and sender.jkt != bound_jkt:
        raise InvalidGrant("the grant is bound to another DPoP key, or the DPoP proof is missing")


def confirmation(sender: Sender) -> Mapping[str, str]:
    """The ``cnf`` of a token made for this sender; empty for a bearer token."""
    return {"jkt": sender.jkt} if sender.jkt is not None else {}


def binding(confirmation: Mapping[str, str]) -> str | None:
    """How the audit log calls it."""
    return "dpop" if "jkt" in confirmation else None


def bind(grant: Grant, client: Client, sender: Sender) -> Grant:
    """The grant, its refresh tokens bound when they need it."""
    jkt = _refresh_key(client, sender, grant)
    return grant if jkt == grant.dpop_jkt else replace(grant, dpop_jkt=jkt)


def _refresh_key(client: Client, sender: Sender, grant: Grant) -> str | None:
    """The key that a grant's refresh tokens are bound to: a public client has no other proof (RFC 9449 §5)."""
    if grant.dpop_jkt is not None:
        return grant.dpop_jkt
    return sender.jkt if client.token_endpoint_auth_method == "none" else None
