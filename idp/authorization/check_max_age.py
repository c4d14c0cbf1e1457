"""How long ago the person may have logged in (OpenID Connect Core §3.1.2.1 ``max_age``)."""

from datetime import timedelta

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest


def check_max_age(request: AuthorizationRequest) -> None:
    """``max_age=0`` means a new login (as ``prompt=login``), which this interaction may have had already."""
    value = request.get("max_age")
    if value is None and request.proved_client.default_max_age is not None:
        value = str(request.proved_client.default_max_age)
    if value is None:
        return
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise InvalidRequest("max_age must be a whole number of seconds")
    if request.proved_here:
        return
    if request.session is not None and request.now - request.session.auth_time >= timedelta(seconds=int(value)):
        request.login_reasons.append("max_age")
