"""How the person may be disturbed (OpenID Connect Core §3.1.2.1 ``prompt``)."""

from typing import Final

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest

#: ``consent`` shows who asks for what (:mod:`idp.authorization.require_consent`); another account is another login.
PROMPTS: Final = ("none", "login", "consent", "select_account")


def check_prompt(request: AuthorizationRequest) -> None:
    """``login`` counts as done once the person has proved who they are in this very interaction."""
    prompt = frozenset((request.get("prompt") or "").split())
    unknown = prompt - frozenset(PROMPTS)
    if unknown:
        raise InvalidRequest("prompt has a value that is not defined")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt=none cannot be combined with another value")
    request.prompt = prompt
    if prompt & {"login", "select_account"} and not request.proved_here:
        request.login_reasons.append("prompt")
