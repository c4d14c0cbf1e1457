"""Whether this browser has a session that may still be used (OpenID Connect Core §3.1.2.3)."""

from idp.authorization.request import AuthorizationRequest
from idp.model import AccountState


def load_session(request: AuthorizationRequest) -> None:
    """A suspended person's session counts as none: they see what a stranger sees."""
    if request.session is None:
        request.login_reasons.append("no session")
    elif request.account is None or request.account.state is not AccountState.ACTIVE:
        request.session = request.account = None
        request.login_reasons.append("no account")
