"""``urn:openid:params:grant-type:ciba`` (CIBA Core §10.1, §11): a service fetches what a person approved on the phone."""

from idp import sessions
from idp.clock import ordered_id
from idp.errors import AuthorizationPending, ExpiredToken, InvalidGrant, InvalidRequest, RequestDenied, SlowDown, UnauthorizedClient
from idp.grants.phases import Authorization, Services, TokenRequest
from idp.model import Account, AccountState, Approval, ApprovalState, AwaitedRequest, Consent, Grant, Session
from idp.people.directory import profession_keys
from idp.sessions import Proof
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, Outcome

GRANT_TYPE = "urn:openid:params:grant-type:ciba"
PARAMETERS = frozenset({"auth_req_id"})
REQUIRES_CLIENT_AUTH = True


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """What the approval says; the request is spent only when there is something to give."""
    if request.client.backchannel_token_delivery_mode == "push" and request.pushed_as is None:
        raise UnauthorizedClient("this client is told by push: there is nothing for it at the token endpoint")
    value = request.parameters.get("auth_req_id")
    if value is None:
        raise InvalidRequest("auth_req_id is missing")
    handle_hash = hash_token(value)
    awaited = await services.store.awaited.get(handle_hash)
    if awaited is None:
        raise InvalidGrant("the auth_req_id is unknown or used: ask for a new one")
    if awaited.client_id != request.client.client_id:
        raise InvalidGrant("the auth_req_id is unknown or used: ask for a new one", detail="it was issued to another client")
    approval = await _approved(awaited, services)
    account = await services.store.accounts.get(approval.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        raise InvalidGrant("the grant is no longer valid: log the person in again", detail="the account is gone or suspended")
    if await services.store.awaited.consume(handle_hash, services.now) is None:
        raise InvalidGrant("the auth_req_id is unknown or used: ask for a new one")
    session = await _start_session(awaited, approval, account, services)
    _record_login(request, approval, account, session, services)
    if approval.client_registered_at is not None:
        await _keep_consent(awaited, approval, account, session, services)
    return Authorization(grant=_grant(awaited, session, services), account=account)


async def _approved(awaited: AwaitedRequest, services: Services) -> Approval:
    """The approval once it says yes; everything else is one of the errors of §11."""
    if awaited.expires_at <= services.now:
        raise ExpiredToken("nobody answered in time: ask again, for a new auth_req_id")
    approval = await services.store.interactions.get_approval(awaited.approval_id or "")
    if approval is None or approval.state is ApprovalState.EXPIRED:
        raise ExpiredToken("nobody answered in time: ask again, for a new auth_req_id")
    if approval.state in (ApprovalState.REQUESTED, ApprovalState.SEEN):
        # Only who still has to wait can ask too soon: a service that was pinged comes at once, whenever it asked last.
        if not await services.store.awaited.poll(awaited.handle_hash, services.now):
            raise SlowDown("asked again too soon: wait five seconds longer than the interval from now on")
        # The words of PSC, which its clients may look for.
        raise AuthorizationPending("The authorization request is still pending as the end-user hasn't yet been authenticated.")
    if approval.state is not ApprovalState.APPROVED:
        raise RequestDenied("the person refused: there is nothing to change in the request", detail=f"approval {approval.state}")
    return approval


async def _start_session(awaited: AwaitedRequest, approval: Approval, account: Account, services: Services) -> Session:
    proof = Proof(
        method=awaited.method or "",
        acr=awaited.acr or "",
        amr=awaited.amr,
        at=services.now,
        source_ip=approval.source_ip,
        user_agent=approval.user_agent,
        device_id=approval.device_id,
    )
    return await sessions.start_without_browser(services.store, services.audit, services.lifetimes, account, proof)


def _record_login(request: TokenRequest, approval: Approval, account: Account, session: Session, services: Services) -> None:
    services.audit.record(
        AuditAction.LOGIN_SUCCEEDED,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id,
            "user.roles": profession_keys(account.directory),
            "source.ip": session.source_ip,
            "user_agent.original": session.user_agent,
            "health.relying_party.id": request.client.client_id,
            "health.session.id": session.id,
            "health.authentication.method": session.method,
            "health.authentication.acr": session.acr,
            "health.authentication.amr": list(session.amr),
            "health.approval.id": approval.id,
            "health.device.id": approval.device_id,
            "health.grant.type": GRANT_TYPE,
            "health.structure.finess": request.client.structure_finess,
        },
    )


async def _keep_consent(awaited: AwaitedRequest, approval: Approval, account: Account, session: Session, services: Services) -> None:
    """What the phone showed and the person approved, so that it can be withdrawn; the next login shows it again all the same.

    A yes that was given in a browser stays as it is: it says where answers go.
    """
    services.audit.record(
        AuditAction.CONSENT_GIVEN,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id,
            "source.ip": session.source_ip,
            "health.relying_party.id": awaited.client_id,
            "health.session.id": session.id,
            "health.approval.id": approval.id,
            "health.scope": sorted(approval.scope),
        },
    )
    if await services.store.consents.get(account.id, awaited.client_id, services.now) is None:
        consent = Consent(
            account_id=account.id,
            client_id=awaited.client_id,
            client_name=approval.client_name,
            place="",
            scope=approval.scope,
            given_at=services.now,
        )
        await services.store.consents.put(consent, until=services.now + services.lifetimes.consent)


def _grant(awaited: AwaitedRequest, session: Session, services: Services) -> Grant:
    return Grant(
        id=ordered_id(services.now),
        client_id=awaited.client_id,
        account_id=session.account_id,
        session_id=session.id,
        scope=awaited.scope,
        nonce=None,
        acr=session.acr,
        acr_requested=awaited.acr_requested,
        authorization_details=awaited.authorization_details,
        amr=session.amr,
        method=session.method,
        auth_time=session.auth_time,
        created_at=services.now,
    )
