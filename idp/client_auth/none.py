"""``none``: a public client only names itself (RFC 6749 §2.3, §3.2.1); PKCE proves it is the one that asked."""

from collections.abc import Mapping

from idp.client_auth.presented import Expectation, Presented
from idp.model import Client

METHOD = "none"


def present(authorization: str, form: Mapping[str, str]) -> Presented | None:
    """Any request with a client_id and no other proof."""
    client_id = form.get("client_id")
    return Presented(client_id=client_id) if client_id and not authorization else None


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """Nothing to compare: the registered method was compared already, and the code's verifier will be."""
