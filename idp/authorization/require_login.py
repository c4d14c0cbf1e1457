"""Whether what is there is enough, or the person must log in (OpenID Connect Core §3.1.2.3)."""

from idp.authorization.request import AuthorizationRequest, Login
from idp.errors import LoginRequired


def require_login(request: AuthorizationRequest) -> Login | None:
    """With ``prompt=none`` no screen may be shown (§3.1.2.6)."""
    if not request.login_reasons:
        return None
    if "none" in request.prompt:
        raise LoginRequired("the person must log in: ask without prompt=none")
    return Login(tuple(request.login_reasons))
