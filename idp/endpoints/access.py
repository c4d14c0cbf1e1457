"""Whether an access token counts now: the one check that userinfo, introspection and the administration API share."""

from starlette.requests import Request

from idp.endpoints.answers import shown_token
from idp.endpoints.sender import certificate_of, nonces, proof_header, urls
from idp.errors import InsufficientUserAuthentication, InvalidToken, OAuthError, UseDpopNonce
from idp.profiles import rules_of
from idp.provider import Provider, provider_of
from idp.tokens.certificate import THUMBPRINT
from idp.tokens.dpop import DPOP_ALGORITHMS, ProofExpectation, check_proof
from idp.tokens.live import Access, find_live
from idp.tokens.sender import binding
from idp.tokens.step_up import LoginRequirement
from vocabulary.audit import AuditAction, Outcome


async def find_access(provider: Provider, token: str) -> Access | None:
    """None unless we signed it and nothing behind it has ended: token, grant, session, account or client."""
    return await find_live(provider.tokens, provider.store, token, provider.clock())


async def require_access(request: Request) -> Access:
    """The same for the token that the request shows, by the one it was made for; :class:`InvalidToken` otherwise (RFC 6750 §3.1).

    A bound token shown without its key is a stolen one, as far as anybody can tell: the audit log says so.
    """
    provider = provider_of(request)
    scheme, token = await shown_token(request)
    access = await find_access(provider, token)
    if access is None:
        raise _challenged(scheme, InvalidToken("the access token is expired, revoked or not ours: refresh it, or log the person in again"))
    if access.record.resources and provider.issuer not in access.record.resources:
        raise _challenged(
            scheme, InvalidToken("the access token is for another resource: ask for one that names this issuer, or no resource")
        )
    try:
        await _check_holder(request, provider, access, scheme, token)
    except UseDpopNonce as error:
        raise _challenged("dpop", error) from error
    except OAuthError as error:
        _record_misuse(request, provider, access, error)
        raise _challenged("dpop" if "jkt" in access.record.confirmation else scheme, error) from error
    return access


async def _check_holder(request: Request, provider: Provider, access: Access, scheme: str, token: str) -> None:
    """The token's ``cnf`` against what the request proves (RFC 9449 §7.1)."""
    bound = access.record.confirmation.get(THUMBPRINT)
    if bound is not None:
        certificate = certificate_of(request, provider)
        if certificate is None or not certificate.fits(bound):
            raise InvalidToken("the access token is bound to another certificate, or the certificate is missing: connect with that one")
    key = access.record.confirmation.get("jkt")
    if key is None:
        if scheme == "dpop":
            raise InvalidToken("the access token is not bound to a key: send it as Bearer")
        return
    proof = proof_header(request)
    if scheme != "dpop" or proof is None:
        raise InvalidToken("the access token is bound to a key: send it as DPoP, with a proof")
    expected = ProofExpectation(
        method=request.method,
        urls=urls(request, provider),
        now=provider.clock(),
        access_token=token,
        nonces=nonces(provider) if rules_of(access.client).dpop_nonce_required else None,
    )
    if await check_proof(proof, expected, provider.store.counters) != key:
        raise InvalidToken("the access token is bound to another key: sign the DPoP proof with the one that it was issued for")


def demand_login(provider: Provider, access: Access, requirement: LoginRequirement) -> None:
    """Raise :class:`InsufficientUserAuthentication`, with its challenge, unless the login behind the token is enough (RFC 9470 §3)."""
    grant = access.grant
    if not requirement.is_met(acr=grant.acr, auth_time=grant.auth_time, now=provider.clock()):
        asked = requirement.parameters
        error = InsufficientUserAuthentication(f"another login is needed: ask for it with {' and '.join(asked)}")
        raise _challenged("dpop" if "jkt" in access.record.confirmation else "bearer", error, **asked)


def _challenged(scheme: str, error: OAuthError, **parameters: str) -> OAuthError:
    """As a resource says it: status 401 and a challenge in the scheme that the token needs (RFC 9449 §7.1, §9)."""
    if scheme == "dpop":
        named = f'DPoP algs="{" ".join(DPOP_ALGORITHMS)}"'
    else:
        named = 'Bearer realm="veilleur"'
    more = "".join(f', {name}="{value}"' for name, value in parameters.items())
    challenge = f'{named}, error="{error.error}", error_description="{error.description}"{more}'
    error.headers["WWW-Authenticate"] = challenge
    return error


def _record_misuse(request: Request, provider: Provider, access: Access, error: OAuthError) -> None:
    provider.audit.record(
        AuditAction.ACCESS_TOKEN_MISUSED,
        Outcome.FAILURE,
        {
            "event.reason": f"{error.error}: {error.detail or error.description}",
            "user.id": access.account.national_id if access.account else None,
            "source.ip": provider.sources(request),
            "health.relying_party.id": access.client.client_id,
            "health.session.id": access.grant.session_id,
            "health.token.id": access.record.jti,
            "health.token.binding": binding(access.record.confirmation),
        },
    )
