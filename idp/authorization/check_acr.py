"""Which level the client would like, or must have (OpenID Connect Core §3.1.2.1 ``acr_values``, §5.5.1.1 ``acr``)."""

from idp.authorization.request import AuthorizationRequest
from idp.authorization.request_level import wanted_level
from idp.errors import UnmetAuthenticationRequirements
from idp.tokens.step_up import ACR_LEVELS


def check_acr(request: AuthorizationRequest) -> None:
    """A session below the lowest level asked for is raised by a new login, if we have a means that reaches it.

    Where it cannot be reached, a wish goes on, as the ``acr`` claim says what was reached; an essential claim ends it
    with an error of its own, before anybody logs in for nothing.
    """
    levels, essential = wanted_level(request.parameters, request.proved_client)
    best = ACR_LEVELS.get(request.best_acr, 0)
    if essential and min(levels, default=best + 1) > best:
        raise UnmetAuthenticationRequirements("acr_values: no means of login here reaches the level that this client must have")
    if not levels or request.session is None:
        return
    reached = ACR_LEVELS.get(request.session.acr, 0)
    if reached < min(levels) <= best:
        if not request.proved_here:
            request.login_reasons.append("acr")
        elif essential:
            raise UnmetAuthenticationRequirements("acr_values: the person logged in by a means below the level that this client must have")
    elif essential:
        # The claim must be one of those asked for (§5.5.1.1): the highest that the session reaches.
        level = max(level for level in levels if level <= reached)
        request.acr = next(name for name, number in ACR_LEVELS.items() if number == level)
