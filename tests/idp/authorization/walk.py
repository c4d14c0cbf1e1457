"""An authorization request for the steps, without a provider."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from idp.authorization import AuthorizationRequest, Decision, run
from idp.model import Interaction, Session
from tests.idp.wire import CHALLENGE, ISSUER, PERSON, REDIRECT, START, client

SESSION = Session(
    id="session-one",
    cookie_hash="c",
    account_id=PERSON.id,
    method="device",
    acr="eidas2",
    amr=("hwk",),
    auth_time=START,
    last_used_at=START,
    expires_at=START + timedelta(minutes=30),
    source_ip="192.0.2.1",
    user_agent="Firefox",
)
INTERACTION = Interaction(
    id="i", request={}, client_id="c", browser_hash="b", created_at=START, expires_at=START + timedelta(minutes=10), authenticated_at=START
)


def ask(
    *, loaded: dict[str, Any] | None = None, registered: dict[str, Any] | None = None, **parameters: str | None
) -> AuthorizationRequest:
    """A request of a logged-in person; ``loaded`` changes what the endpoint found, ``registered`` the client's members."""
    sent = {
        "client_id": "c",
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **parameters,
    }
    made = AuthorizationRequest(
        parameters={name: value for name, value in sent.items() if value is not None},
        now=START,
        issuer=ISSUER,
        found_client=client("c", **(registered or {})),
        session=SESSION,
        account=PERSON,
        best_acr="eidas2",
    )
    return replace(made, **(loaded or {}))


def decide(**given: Any) -> Decision:
    """Walk the whole table."""
    return run(ask(**given))
