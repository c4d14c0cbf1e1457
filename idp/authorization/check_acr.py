"""Which level the client would like (OpenID Connect Core §3.1.2.1 ``acr_values``): a voluntary claim."""

from collections.abc import Mapping
from typing import Final

from idp.authorization.request import AuthorizationRequest

#: Levels in order, named as PSC names those of the eIDAS regulation. Discovery lists them from here.
ACR_LEVELS: Final[Mapping[str, int]] = {"eidas1": 1, "eidas2": 2, "eidas3": 3}


def check_acr(request: AuthorizationRequest) -> None:
    """A session below the lowest level asked for is raised by a new login, if we have a means that reaches it.

    Otherwise the request goes on: the ``acr`` claim says what was reached, and the client decides (§5.5.1.1).
    """
    wished = [ACR_LEVELS[value] for value in (request.get("acr_values") or "").split() if value in ACR_LEVELS]
    if not wished or request.session is None:
        return
    needed = min(wished)
    if ACR_LEVELS.get(request.session.acr, 0) < needed <= ACR_LEVELS.get(request.best_acr, 0):
        request.login_reasons.append("acr")
