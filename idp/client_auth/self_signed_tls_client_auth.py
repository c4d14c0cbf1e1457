"""``self_signed_tls_client_auth``: the very certificate that the client registered in ``jwks``, whoever signed it (RFC 8705 §2.2)."""

import hmac

from idp.client_auth.presented import Expectation, Presented
from idp.errors import AUTHENTICATION_FAILED, InvalidClient
from idp.model import Client
from idp.tokens.certificate import registered_certificates

METHOD = "self_signed_tls_client_auth"


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """The handshake proved the private key; no chain is looked at."""
    certificate = expectation.certificate
    if certificate is None:
        raise InvalidClient(AUTHENTICATION_FAILED, detail="no client certificate came over a trusted proxy")
    if not certificate.current(expectation.now):
        raise InvalidClient(AUTHENTICATION_FAILED, detail="the certificate is out of date")
    if not any([hmac.compare_digest(certificate.der, der) for der in registered_certificates(client.jwks)]):  # noqa: C419
        raise InvalidClient(AUTHENTICATION_FAILED, detail="the certificate is not a registered one")
