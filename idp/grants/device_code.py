"""``urn:ietf:params:oauth:grant-type:device_code`` (RFC 8628 §3.4): a device fetches what its person approved in a browser."""

from idp.clock import ordered_id
from idp.errors import AuthorizationPending, ExpiredToken, InvalidGrant, InvalidRequest, RequestDenied, SlowDown
from idp.grants.phases import Authorization, Services, TokenRequest
from idp.model import DeviceAuthorization, DeviceAuthorizationState, Grant
from idp.tokens.issuer import hash_token

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
PARAMETERS = frozenset({"device_code"})
REQUIRES_CLIENT_AUTH = False


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """What the person said; the code is spent only when there is something to give."""
    value = request.parameters.get("device_code")
    if value is None:
        raise InvalidRequest("device_code is missing")
    code_hash = hash_token(value)
    asked = await services.store.device_codes.get(code_hash)
    if asked is None:
        raise InvalidGrant("the device_code is unknown or used: ask for a new one")
    if asked.client_id != request.client.client_id:
        raise InvalidGrant("the device_code is unknown or used: ask for a new one", detail="it was issued to another client")
    await _check_answer(asked, services)
    session = await services.store.sessions.get(asked.session_id or "", services.now)
    account = await services.store.accounts.get(session.account_id) if session else None
    if session is None or account is None:
        raise InvalidGrant("the device_code is no longer valid: ask for a new one", detail="the session has ended, or the account is gone")
    if await services.store.device_codes.consume(code_hash, services.now) is None:
        raise InvalidGrant("the device_code is unknown or used: ask for a new one")
    grant = Grant(
        id=ordered_id(services.now),
        client_id=asked.client_id,
        account_id=account.id,
        session_id=session.id,
        scope=asked.scope,
        resources=asked.resources,
        authorization_details=asked.authorization_details,
        nonce=None,
        acr=session.acr,
        amr=session.amr,
        method=session.method,
        auth_time=session.auth_time,
        created_at=services.now,
    )
    return Authorization(grant=grant, account=account)


async def _check_answer(asked: DeviceAuthorization, services: Services) -> None:
    """Everything but a yes is one of the errors of §3.5."""
    if asked.expires_at <= services.now:
        raise ExpiredToken("nobody answered in time: ask for a new device_code")
    if asked.state is DeviceAuthorizationState.PENDING:
        if not await services.store.device_codes.poll(asked.device_code_hash, services.now):
            raise SlowDown("asked again too soon: wait five seconds longer than the interval from now on")
        raise AuthorizationPending("the person has not answered yet: ask again after the interval")
    if asked.state is DeviceAuthorizationState.DENIED:
        raise RequestDenied("the person refused: there is nothing to change in the request")
