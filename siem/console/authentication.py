"""Logging in and out: the console is an ordinary relying party of the identity provider.

Authorization code with PKCE, ``state`` bound to the browser and used once, ``nonce`` in the ID token, RP-initiated logout
(OpenID Connect Core §3.1, RP-Initiated Logout §2, RFC 9700 §2.1). Authlib speaks the protocol; the ID token's times are checked
against the watch's clock. The provider says who it is; what they may do is granted here (:mod:`.users`).
"""

import secrets
from typing import Any, Final
from urllib.parse import urlencode

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from httpx2 import HTTPError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.responses import RedirectResponse, Response

from siem.access import Permission
from siem.console import sessions, users
from siem.console.routing import safe_return, session_cookie
from siem.console.services import Provider
from siem.console.visit import Problem, Visit
from siem.errors import OperationError

_SCOPE: Final = "openid identity"
#: Signatures accepted on an ID token; never ``none``, never a shared secret.
_ALGORITHMS: Final = ["ES256", "ES384", "RS256", "PS256"]
_LEEWAY_SECONDS: Final = 60
#: What the provider's description must name.
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
#: Where to start, by the first permission a person has.
_HOMES: Final = (
    (Permission.READ_ALERTS, "/alertes"),
    (Permission.READ_INCIDENTS, "/incidents"),
    (Permission.READ_DOSSIERS, "/dossiers"),
    (Permission.DESK, "/guichet"),
)


def home(visit: Visit) -> Response:
    """The first page that this person's roles open."""
    for permission, path in _HOMES:
        if visit.principal.may(permission):
            return RedirectResponse(path, status_code=303)
    raise Problem(403, "not_allowed")


def start(visit: Visit) -> Response:
    """Send the browser to the provider; with a session already open, straight to the page asked for."""
    return_to = safe_return(visit.query.get("retour", "/"))
    if visit.session is not None and visit.person is not None:
        return RedirectResponse(return_to, status_code=303)
    provider = visit.services.provider
    verifier, nonce, browser = generate_token(48), generate_token(32), secrets.token_urlsafe(32)
    with _client(provider) as client:
        metadata = _metadata(client, provider)
        url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    lifetimes = visit.services.lifetimes
    with visit.services.database.transaction() as connection:
        sessions.sweep(connection, visit.now, lifetimes)
        login = sessions.Login(nonce, verifier, return_to)
        sessions.remember_login(connection, state, browser, login, visit.now + lifetimes.login)
    response = RedirectResponse(url, status_code=303)
    _set_cookie(response, provider, _login_cookie(provider), browser, int(lifetimes.login.total_seconds()))
    return response


def back(visit: Visit) -> Response:
    """The way back: spend the state, exchange the code, check the ID token, look the person up, open a session."""
    provider, query = visit.services.provider, visit.query
    browser = visit.request.cookies.get(_login_cookie(provider), "")
    with visit.services.database.transaction() as connection:
        login = sessions.take_login(connection, query.get("state"), browser, visit.now)
    if login is None:
        raise Problem(400, "login_expired")
    with _client(provider) as client:
        metadata = _metadata(client, provider)
    issuer_is_said = metadata.get("authorization_response_iss_parameter_supported") is True
    if query.get("iss") not in ({provider.issuer} if issuer_is_said else {"", provider.issuer}):
        raise Problem(400, "login_failed", detail="iss")  # RFC 9207 §2.4: an answer of another provider
    if "error" in query:
        raise Problem(403, "login_refused" if query.get("error") == "access_denied" else "login_failed", detail=query.get("error"))
    token, claims, subject = _exchange(visit, login, metadata)
    with visit.services.database.transaction() as connection:
        person = users.find(connection, subject)
        cookie = sessions.start(connection, subject, token["id_token"], visit.now) if person else ""
    if person is None:
        name = " ".join(str(claims[key]) for key in ("given_name", "family_name") if claims.get(key)) or subject
        return visit.render("not_granted.html", status=403, who=name, subject=subject)
    response = RedirectResponse(login.return_to, status_code=303)
    _set_cookie(response, provider, session_cookie(provider), cookie, int(visit.services.lifetimes.age.total_seconds()))
    response.delete_cookie(_login_cookie(provider), path="/", secure=provider.secure, httponly=True, samesite="lax")
    return response


def leave(visit: Visit) -> Response:
    """End the session here, then at the provider (which knows whether other services are still open)."""
    provider = visit.services.provider
    if visit.session is None:
        return RedirectResponse("/deconnexion", status_code=303)
    with visit.services.database.transaction() as connection:
        sessions.end(connection, visit.session.token_hash)
    target = "/deconnexion"
    try:
        with _client(provider) as client:
            endpoint = _metadata(client, provider).get("end_session_endpoint")
    except OperationError:
        endpoint = None  # the provider is away: the session here is over all the same
    if endpoint:
        hint = {"id_token_hint": visit.session.id_token, "client_id": provider.client_id}
        target = f"{endpoint}?{urlencode({**hint, 'post_logout_redirect_uri': provider.console_url + '/deconnexion'})}"
    response = RedirectResponse(target, status_code=303)
    response.delete_cookie(session_cookie(provider), path="/", secure=provider.secure, httponly=True, samesite="lax")
    return response


def left(visit: Visit) -> Response:
    """What is seen after logging out."""
    return visit.render("logged_out.html")


def _exchange(visit: Visit, login: sessions.Login, metadata: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The token, the claims about the person and their national identifier. Raises Problem when the provider's answer is not sound."""
    provider = visit.services.provider
    try:
        with _client(provider) as client:
            code = visit.query.get("code")
            token = client.fetch_token(
                metadata["token_endpoint"], code=code, code_verifier=login.code_verifier, grant_type="authorization_code"
            )
            identity = _identity(client, metadata, token, login.nonce, visit)
            answer = client.get(metadata["userinfo_endpoint"])
            answer.raise_for_status()
            claims = dict(answer.json())
    except (OAuthError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:  # also JSON of another shape than promised
        raise Problem(400, "login_failed", detail=type(error).__name__) from error
    except HTTPError as error:
        raise OperationError("asking the identity provider who logs in", provider.issuer, retry_helps=True) from error
    if claims.get("sub") != identity["sub"]:  # OIDC Core §5.3.2: token substitution
        raise Problem(400, "login_failed", detail="sub")
    subject = claims.get("SubjectNameID") or claims.get("preferred_username")
    if not isinstance(subject, str) or not subject:
        raise Problem(400, "login_failed", detail="SubjectNameID")
    return token, claims, subject


def _identity(client: OAuth2Client, metadata: dict[str, Any], token: dict[str, Any], nonce: str, visit: Visit) -> CodeIDToken:
    """The checked claims of the ID token (OIDC Core §3.1.3.7)."""
    provider = visit.services.provider
    answer = client.request("GET", metadata["jwks_uri"], withhold_token=True)
    answer.raise_for_status()
    decoded = jwt.decode(token["id_token"], KeySet.import_key_set(answer.json()), algorithms=_ALGORITHMS)
    options = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"essential": True, "value": provider.client_id}}
    parameters = {"nonce": nonce, "client_id": provider.client_id, "access_token": token["access_token"]}
    claims = CodeIDToken(decoded.claims, decoded.header, options, parameters)
    claims.validate(now=int(visit.now.timestamp()), leeway=_LEEWAY_SECONDS)
    return claims


def _metadata(client: OAuth2Client, provider: Provider) -> dict[str, Any]:
    """The provider's own description. Its issuer must be the registered one (OIDC Discovery §4.3)."""
    try:
        answer = client.request("GET", f"{provider.issuer}/.well-known/openid-configuration", withhold_token=True)
        answer.raise_for_status()
        metadata = dict(answer.json())
    except (HTTPError, ValueError) as error:
        raise OperationError("reading the identity provider's configuration", provider.issuer, retry_helps=True) from error
    if metadata.get("issuer") != provider.issuer:
        raise OperationError("recognising the identity provider", provider.issuer, retry_helps=False)
    for name in _ENDPOINTS:
        if not isinstance(metadata.get(name), str):
            raise OperationError(f"finding {name} in the identity provider's configuration", provider.issuer, retry_helps=False)
    return metadata


def _client(provider: Provider) -> OAuth2Client:
    return OAuth2Client(
        provider.client_id,
        provider.client_secret,
        scope=_SCOPE,
        redirect_uri=f"{provider.console_url}/connexion/retour",
        token_endpoint_auth_method="client_secret_basic",
        code_challenge_method="S256",
        leeway=0,  # the access token is used at once; with a margin, one that lives a minute would count as expired
        timeout=provider.timeout_seconds,
        trust_env=False,
    )


def _login_cookie(provider: Provider) -> str:
    return "__Host-veilleur_console_login" if provider.secure else "veilleur_console_login"


def _set_cookie(response: Response, provider: Provider, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=provider.secure, httponly=True, samesite="lax")
