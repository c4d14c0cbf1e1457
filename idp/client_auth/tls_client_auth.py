"""``tls_client_auth``: a certificate of an authority that the proxy trusts, for the name that was registered (RFC 8705 §2.1)."""

from idp.client_auth.presented import Expectation, Presented
from idp.errors import AUTHENTICATION_FAILED, InvalidClient
from idp.model import Client
from idp.tokens.certificate import NAME_MEMBERS, has_name

METHOD = "tls_client_auth"


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """The proxy verified the chain; here the name decides whose certificate it is."""
    certificate = expectation.certificate
    if certificate is None:
        raise InvalidClient(AUTHENTICATION_FAILED, detail="no client certificate came over a trusted proxy")
    if not certificate.verified or not certificate.current(expectation.now):
        raise InvalidClient(AUTHENTICATION_FAILED, detail="the proxy did not verify the certificate, or it is out of date")
    registered = {member: getattr(client, member) for member in NAME_MEMBERS if getattr(client, member) is not None}
    if len(registered) != 1 or not all(has_name(certificate, *name) for name in registered.items()):
        raise InvalidClient(AUTHENTICATION_FAILED, detail="the certificate is issued for another name")
