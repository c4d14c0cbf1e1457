"""The authorization endpoint as a table: each check, in order, and the requests it applies to.

Owns what an authorization request may lead to: a refusal, a login, a question to the person, or a code. Does no input or output: the
endpoint loads client, session and account, walks :data:`STEPS`, and acts on the decision. No step sends the
browser to another step: after a login the walk starts again from the top, and what is stored decides.
Start with :data:`STEPS`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from idp.authorization.check_acr import check_acr
from idp.authorization.check_authorization_details import check_authorization_details
from idp.authorization.check_claims import check_claims
from idp.authorization.check_client import check_client
from idp.authorization.check_dpop_key import check_dpop_key
from idp.authorization.check_id_token_hint import check_id_token_hint
from idp.authorization.check_max_age import check_max_age
from idp.authorization.check_pkce import check_pkce
from idp.authorization.check_prompt import check_prompt
from idp.authorization.check_redirect_uri import check_redirect_uri
from idp.authorization.check_request_object import check_request_object
from idp.authorization.check_resource import check_resource
from idp.authorization.check_response_type import check_response_type
from idp.authorization.check_scope import check_scope
from idp.authorization.load_session import load_session
from idp.authorization.request import AskConsent, AuthorizationRequest, Decision, Grant, Login
from idp.authorization.require_consent import require_consent
from idp.authorization.require_login import require_login
from idp.authorization.respond import respond

__all__ = ["STEPS", "AskConsent", "AuthorizationRequest", "Decision", "Grant", "Login", "check_pushed", "run"]

Check = Callable[[AuthorizationRequest], Decision | None]


class Step(NamedTuple):
    """A check and where it applies: to a request that a client pushes, that a browser brings, that resumes after a login."""

    check: Check
    pushed: bool
    first: bool
    resumed: bool


#: Until check_client and check_redirect_uri have passed, a refusal is a page; after them it goes to the client.
#: A request that was pushed walks as a first one too when the browser brings it: the client may have changed since.
STEPS: Final[tuple[Step, ...]] = (
    #    check             pushed first  resumed
    Step(check_client, True, True, True),
    Step(check_request_object, True, True, False),
    Step(check_redirect_uri, True, True, True),
    Step(check_response_type, True, True, False),
    Step(check_scope, True, True, True),
    Step(check_resource, True, True, True),
    Step(check_claims, True, True, True),
    Step(check_pkce, True, True, True),
    Step(check_dpop_key, True, True, True),
    Step(check_prompt, True, True, True),
    Step(check_authorization_details, True, True, True),
    Step(load_session, False, True, True),
    Step(check_max_age, True, True, True),
    Step(check_acr, True, True, True),
    Step(check_id_token_hint, False, True, True),
    Step(require_login, False, True, True),
    Step(require_consent, False, True, True),
    Step(respond, False, True, True),
)


def run(request: AuthorizationRequest) -> Decision:
    """Walk the table until a step decides; a refusal is raised as an OAuthError."""
    for step in STEPS:
        if step.resumed if request.interaction else step.first:
            decision = step.check(request)
            if decision is not None:
                return decision
    raise AssertionError("the last step decides")


def check_pushed(request: AuthorizationRequest) -> None:
    """Everything that can be said of a request before a person is there (RFC 9126 §2.1); raises an OAuthError."""
    for step in STEPS:
        if step.pushed:
            step.check(request)
