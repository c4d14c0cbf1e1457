"""Metadata with the members and values that Pro Santé Connect's has, for services to meet before they meet it there.

It announces what Keycloak announces by itself, much of which nobody uses, and an ``acr_values_supported`` that is a fault; our own
document says what is served and nothing else. Addresses stay ours. Source: the copy of the sandbox's document in ANS's
psc-edc-proxy-esante (January 2025), whose members and values these are.
"""

from collections.abc import Mapping
from typing import Any, Final

_SIGNING: Final = (*("PS384", "RS384", "EdDSA", "ES384", "HS256", "HS512", "ES256", "RS256", "HS384", "ES512", "PS256", "PS512", "RS512"),)
_ASYMMETRIC: Final = tuple(alg for alg in _SIGNING if not alg.startswith("HS"))
_AUTHENTICATION: Final = ("private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt")
_SCOPES: Final = (
    *("openid", "microprofile-jwt", "rpps", "referentiel", "web-origins", "basic", "identity", "acr", "offline_access", "eidas1"),
    *("profile", "roles", "email", "scope_all", "phone", "interop", "scope_1", "address", "scope_2", "eidas2"),
)
_GRANTS: Final = (
    *("authorization_code", "implicit", "refresh_token", "password", "client_credentials"),
    *("urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code"),
)
_RESPONSE_TYPES: Final = (*("code", "none", "id_token", "token", "id_token token", "code id_token", "code token", "code id_token token"),)
_ENCRYPTION: Final[Mapping[str, tuple[str, ...]]] = {
    "alg": ("RSA-OAEP", "RSA-OAEP-256", "RSA1_5"),
    "enc": ("A256GCM", "A192GCM", "A128GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"),
}
#: What Pro Santé Connect says whatever it does.
_VALUES: Final[Mapping[str, tuple[str, ...] | bool]] = {
    "grant_types_supported": _GRANTS,
    "acr_values_supported": ("0", "0"),
    "response_types_supported": _RESPONSE_TYPES,
    "response_modes_supported": ("query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"),
    "subject_types_supported": ("public", "pairwise"),
    "id_token_signing_alg_values_supported": _SIGNING,
    "userinfo_signing_alg_values_supported": (*_SIGNING, "none"),
    "request_object_signing_alg_values_supported": (*_SIGNING, "none"),
    "authorization_signing_alg_values_supported": _SIGNING,
    **{f"{at}_endpoint_auth_methods_supported": _AUTHENTICATION for at in ("token", "introspection", "revocation")},
    **{f"{at}_endpoint_auth_signing_alg_values_supported": _SIGNING for at in ("token", "introspection", "revocation")},
    **{
        f"{what}_encryption_{part}_values_supported": values
        for what in ("id_token", "userinfo", "request_object", "authorization")
        for part, values in _ENCRYPTION.items()
    },
    "claims_supported": ("aud", "sub", "iss", "auth_time", "name", "given_name", "family_name", "preferred_username", "email", "acr"),
    "claim_types_supported": ("normal",),
    "claims_parameter_supported": True,
    "scopes_supported": _SCOPES,
    "request_parameter_supported": True,
    "request_uri_parameter_supported": True,
    "require_request_uri_registration": True,
    "code_challenge_methods_supported": ("plain", "S256"),
    "tls_client_certificate_bound_access_tokens": True,
    "backchannel_token_delivery_modes_supported": ("poll", "ping"),
    "backchannel_authentication_request_signing_alg_values_supported": _ASYMMETRIC,
    "require_pushed_authorization_requests": False,
    "authorization_response_iss_parameter_supported": True,
    **{f"{way}channel_logout_{what}": True for way in ("front", "back") for what in ("supported", "session_supported")},
}
#: Members whose values are addresses, and so ours.
_OWN: Final = ("issuer", "jwks_uri", "check_session_iframe", "mtls_endpoint_aliases")


def as_psc(document: Mapping[str, Any]) -> dict[str, Any]:
    """Our metadata in Pro Santé Connect's words: the addresses of ``document``, every other member as it has them, and no more."""
    own = {name: value for name, value in document.items() if name in _OWN or name.endswith("_endpoint")}
    return {**own, **{name: list(value) if isinstance(value, tuple) else value for name, value in _VALUES.items()}}
