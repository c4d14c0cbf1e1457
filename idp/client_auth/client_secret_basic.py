"""``client_secret_basic``: RFC 6749 §2.3.1, both halves form-encoded before base64."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote_plus

from idp.client_auth.presented import Expectation, Presented
from idp.errors import AUTHENTICATION_FAILED, InvalidClient
from idp.model import Client

METHOD = "client_secret_basic"


def present(authorization: str, form: Mapping[str, str]) -> Presented | None:
    """Raises :class:`InvalidClient` for a Basic header that cannot be read."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
        client_id, separator, secret = decoded.partition(":")
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError as error:
        raise InvalidClient("the Basic credentials of the Authorization header cannot be read: they must be base64") from error
    if not separator or not client_id:
        raise InvalidClient("the Basic credentials must be client_id:client_secret")
    return Presented(client_id=client_id, proof=secret)


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """Compare SHA-256 of the secret in constant time."""
    verify_secret(client, presented.proof)


def verify_secret(client: Client, secret: str | None) -> None:
    """Raise :class:`InvalidClient` unless it is the client's; shared by the two secret methods."""
    digest = hashlib.sha256((secret or "").encode()).hexdigest()
    if client.client_secret_hash is None or not hmac.compare_digest(digest, client.client_secret_hash):
        raise InvalidClient(AUTHENTICATION_FAILED, detail="wrong client_secret")
