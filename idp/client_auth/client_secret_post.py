"""``client_secret_post``: RFC 6749 §2.3.1, credentials in the body."""

from collections.abc import Mapping

from idp.client_auth.client_secret_basic import verify_secret
from idp.client_auth.presented import Expectation, Presented
from idp.errors import InvalidClient
from idp.model import Client

METHOD = "client_secret_post"


def present(authorization: str, form: Mapping[str, str]) -> Presented | None:
    """Raises :class:`InvalidClient` for a secret without client_id."""
    secret = form.get("client_secret")
    if secret is None:
        return None
    if "client_id" not in form:
        raise InvalidClient("client_id is missing")
    return Presented(client_id=form["client_id"], proof=secret)


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """Compare SHA-256 of the secret in constant time."""
    verify_secret(client, presented.proof)
