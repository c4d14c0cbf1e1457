"""Provider metadata (OpenID Connect Discovery §3, RFC 8414), at the standard path and at PSC's own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.authorization.check_prompt import PROMPTS
from idp.authorization.check_response_type import RESPONSE_TYPES
from idp.authorization.request import RESPONSE_MODES
from idp.client_auth import CERTIFICATE_METHODS, METHODS
from idp.endpoints.backchannel_authentication import DELIVERY_MODES
from idp.endpoints.psc_discovery import as_psc
from idp.grants import GRANTS
from idp.keys.signing_key import SIGNATURE_ALGORITHMS
from idp.profiles import CLIENT_ALGORITHMS
from idp.tokens.dpop import DPOP_ALGORITHMS
from idp.tokens.encryption import CONTENT_ALGORITHMS, ENCRYPTABLE, KEY_ALGORITHMS
from idp.tokens.step_up import ACR_LEVELS

_CACHE = {"cache-control": "public, max-age=3600", "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}

#: Scope values a relying party may meet; a client is held to those it registered.
SCOPES = ("openid", "profile", "identity", "scope_all")
_CLAIMS = (
    *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "name", "given_name", "family_name"),
    *("preferred_username", "SubjectNameID", "codeCivilite", "authMode", "otherIds", "SubjectRefPro", "SubjectRole"),
)


#: Endpoints that a client may have to reach with its certificate (RFC 8705 §5).
_MTLS_ENDPOINTS = (
    *("token_endpoint", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint"),
    *("pushed_authorization_request_endpoint", "backchannel_authentication_endpoint", "device_authorization_endpoint"),
)


def metadata(
    issuer: str,
    base_url: str,
    *,
    best_acr: str = "eidas2",
    mtls: bool = False,
    mtls_base_url: str = "",
    registration: bool = False,
    detail_types: Sequence[str] = (),
) -> dict[str, Any]:
    """Only what is really served: lists come from the registries, so that a new grant or method appears by itself.

    ``best_acr``: the highest level that a means of login reaches here; that of phones by default.
    """
    endpoints = f"{issuer}/protocol/openid-connect"
    # What a browser goes to is where its session is, whatever host the issuer has.
    origin = "/".join(issuer.split("/", 3)[:3])
    pages = endpoints.replace(origin, base_url, 1)
    methods = [method.METHOD for method in METHODS if mtls or method.METHOD not in CERTIFICATE_METHODS]
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{base_url}/auth",
        "token_endpoint": f"{endpoints}/token",
        "userinfo_endpoint": f"{endpoints}/userinfo",
        "introspection_endpoint": f"{endpoints}/token/introspect",
        "revocation_endpoint": f"{endpoints}/revoke",
        "device_authorization_endpoint": f"{endpoints}/auth/device",
        "jwks_uri": f"{endpoints}/certs",
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(RESPONSE_TYPES),
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(SIGNATURE_ALGORITHMS),
        "acr_values_supported": [name for name, level in ACR_LEVELS.items() if level <= ACR_LEVELS[best_acr]],
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": list(_CLAIMS),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "ui_locales_supported": ["fr", "en"],
        "code_challenge_methods_supported": ["S256"],
        **_authentication(methods),
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(SIGNATURE_ALGORITHMS),
        **_encryption(),
        **_backchannel(endpoints),
        **_logout(pages),
        **_requests(endpoints),
    }
    if detail_types:
        document["authorization_details_types_supported"] = list(detail_types)
    if registration:
        document["registration_endpoint"] = f"{issuer}/clients-registrations/openid-connect"
    if mtls:
        document["tls_client_certificate_bound_access_tokens"] = True
    if mtls_base_url:
        document["mtls_endpoint_aliases"] = {
            name: url.replace(origin, mtls_base_url, 1) for name, url in document.items() if name in _MTLS_ENDPOINTS
        }
    return document


def _logout(endpoints: str) -> dict[str, Any]:
    """How the end of a session is asked for and heard of (RP-Initiated, Back-Channel and Front-Channel Logout, Session Management)."""
    return {
        "end_session_endpoint": f"{endpoints}/logout",
        "check_session_iframe": f"{endpoints}/login-status-iframe.html",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def _authentication(methods: list[str]) -> dict[str, Any]:
    """How clients prove themselves, at each endpoint that asks them to (RFC 8414 §2)."""
    confidential = [name for name in methods if name != "none"]
    return {
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_signing_alg_values_supported": list(SIGNATURE_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
    }


def _encryption() -> dict[str, Any]:
    """What can be encrypted to a client's key, each with the same algorithms."""
    return {
        f"{what}_encryption_{part}_values_supported": list(values)
        for what in ENCRYPTABLE
        for part, values in (("alg", KEY_ALGORITHMS), ("enc", CONTENT_ALGORITHMS))
    }


def _backchannel(endpoints: str) -> dict[str, Any]:
    """CIBA Core §4."""
    return {
        "backchannel_authentication_endpoint": f"{endpoints}/ext/ciba/auth",
        "backchannel_token_delivery_modes_supported": list(DELIVERY_MODES),
        "backchannel_authentication_request_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "backchannel_user_code_parameter_supported": False,
    }


def _requests(endpoints: str) -> dict[str, Any]:
    """How an authorization request may come, and its answer go. Only registered addresses of request objects are fetched."""
    return {
        "pushed_authorization_request_endpoint": f"{endpoints}/ext/par/request",
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "require_signed_request_object": False,
        "response_modes_supported": list(RESPONSE_MODES),
        "authorization_signing_alg_values_supported": list(SIGNATURE_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
    }


#: Names of the metadata under the issuer (OpenID Connect Discovery §4, and Pro Santé Connect's own), by setting.
PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "standard": ("openid-configuration",),
    "wallet": ("wallet-openid-configuration",),
    "both": ("openid-configuration", "wallet-openid-configuration"),
}


def routes(realm: str, document: bytes, paths: str) -> list[BaseRoute]:
    """``realm``: path of the issuer; ``document``: :func:`metadata` as bytes, built once; ``paths``: which of :data:`PATHS`."""
    handler = _handler(document)
    places = [f"{realm}/.well-known/{name}" for name in PATHS[paths]]
    if "openid-configuration" in PATHS[paths]:
        # Where clients of OAuth alone look: between the host and the path of the issuer (RFC 8414 §3).
        places.append(f"/.well-known/oauth-authorization-server{realm}")
    return [Route(place, handler, methods=["GET"]) for place in places]


def _handler(document: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def discovery(request: Request) -> Response:
        return Response(document, headers=_CACHE, media_type="application/json")

    return discovery


def document(found: Mapping[str, Any], *, psc_values: bool) -> bytes:
    """The :func:`metadata` as it is sent; with ``psc_values`` as Pro Santé Connect would have it."""
    return orjson.dumps(as_psc(found) if psc_values else found)
