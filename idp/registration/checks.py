"""What a registration may not say: each check names the member at fault (RFC 7591 §2, RFC 9700)."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from idp.client_keys.jwks import check_jwks
from idp.model import CLIENT_AUTH_METHODS, GRANT_TYPES, Client, Profile
from idp.profiles import SIGNING_MEMBERS, rules_of
from idp.registration.encryption import check_encryption
from idp.tokens.certificate import NAME_MEMBERS, is_name, registered_certificates

_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_BACKCHANNEL: Final = "urn:openid:params:grant-type:ciba"
_DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
#: Members that are one address each.
_PLACES: Final = ("jwks_uri", "sector_identifier_uri", "client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
#: FAPI 2.0 §5.3.2.1.
_FAPI2_METHODS: Final = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")


def check_client(client: Client) -> None:
    """Raise ValueError, naming the member at fault, for a client that would be unsafe or could not work."""
    for member in ("client_name", "structure_name"):
        # Shown to people who decide by it: nothing invisible, nothing that turns the direction of writing.
        if (name := getattr(client, member)) is not None and not (name.isprintable() and name.strip()):
            raise ValueError(f"{member}: must be printable text")
    _check_authentication(client)
    _check_fapi2(client)
    public = client.token_endpoint_auth_method == "none"
    _check_grants(client, public=public)
    for member in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in getattr(client, member):
            check_uri(member, uri, public=public)
    for member in _PLACES:
        if (place := getattr(client, member)) is not None:
            check_uri(member, place, public=False)
    if client.initiate_login_uri is not None and urlsplit(client.initiate_login_uri).scheme != "https":
        # Other addresses of this machine may be http; this one never (OpenID Connect Core §4, Registration §2).
        raise ValueError("initiate_login_uri: must use https, on this machine too")
    for uri in client.request_uris:
        # A fragment is for caches (OpenID Connect Core §6.2).
        check_uri("request_uris", uri.partition("#")[0], public=False)
    _check_logout(client)


def _check_fapi2(client: Client) -> None:
    """FAPI 2.0 §5.3.2.1, §5.3.2.2, §5.4: how such a client proves itself, where answers go, and what signs."""
    if client.profile is not Profile.FAPI2:
        return
    if client.token_endpoint_auth_method not in _FAPI2_METHODS:
        raise ValueError(f"token_endpoint_auth_method: profile fapi2 demands {' or '.join(_FAPI2_METHODS)}")
    for member in SIGNING_MEMBERS:
        if getattr(client, member) == "RS256":
            raise ValueError(f"{member}: profile fapi2 forbids RS256")
    for uri in client.redirect_uris:
        if client.application_type != "native" and urlsplit(uri).scheme != "https":
            raise ValueError(f"redirect_uris: {uri!r} must use https in profile fapi2, unless application_type is native")


def _check_logout(client: Client) -> None:
    """Back-Channel Logout §2.2, Front-Channel Logout §2: where a service is told, and by whom."""
    for channel in ("backchannel_logout", "frontchannel_logout"):
        uri = getattr(client, f"{channel}_uri")
        if uri is not None:
            check_uri(f"{channel}_uri", uri, public=False)
        elif getattr(client, f"{channel}_session_required"):
            raise ValueError(f"{channel}_session_required: needs {channel}_uri")
    if client.frontchannel_logout_uri is not None and _origin(client.frontchannel_logout_uri) not in map(_origin, client.redirect_uris):
        raise ValueError("frontchannel_logout_uri: scheme, host and port must be those of one of the redirect_uris")


def _origin(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc


def _check_grants(client: Client, *, public: bool) -> None:
    for name in client.grant_types:
        if name not in GRANT_TYPES:
            raise ValueError(f"grant_types: {name!r} is not one of {', '.join(GRANT_TYPES)}")
    if public and "client_credentials" in client.grant_types:
        raise ValueError("grant_types: a public client cannot use client_credentials")
    for name, check in _GRANT_CHECKS.items():
        if name in client.grant_types:
            check(client, public=public)
    if "authorization_code" in client.grant_types:
        if not client.redirect_uris:
            raise ValueError("redirect_uris: at least one is needed for authorization_code")
        if "openid" not in client.scope:
            raise ValueError("scope: must contain openid for authorization_code")


def _check_exchange(client: Client, *, public: bool) -> None:
    """RFC 8693 §2.1: whose tokens, and for which interfaces, is said on registration or not at all."""
    if public:
        raise ValueError(f"grant_types: a public client cannot use {_EXCHANGE}")
    if not client.exchange_subject_clients and not client.exchange_subject_issuers:
        raise ValueError(f"exchange_subject_clients: at least one is needed for {_EXCHANGE}, or one of exchange_subject_issuers")
    if not client.resources:
        raise ValueError(f"resources: at least one is needed for {_EXCHANGE}")


def _check_backchannel(client: Client, *, public: bool) -> None:
    """CIBA §4: who may ask for a person without a browser."""
    if public:
        raise ValueError(f"grant_types: a public client cannot use {_BACKCHANNEL}")
    _check_backchannel_profile(client)
    if "openid" not in client.scope:
        raise ValueError(f"scope: must contain openid for {_BACKCHANNEL}")
    endpoint = client.backchannel_client_notification_endpoint
    if (client.backchannel_token_delivery_mode != "poll") != (endpoint is not None):
        raise ValueError("backchannel_client_notification_endpoint: goes with delivery modes ping and push, which need it")
    if endpoint is not None:
        check_uri("backchannel_client_notification_endpoint", endpoint, public=False)


def _check_backchannel_profile(client: Client) -> None:
    """FAPI-CIBA §5.2.2: requests are signed, not with RS256, and tokens are never pushed; a pushed token cannot be bound to a sender."""
    signed, push = client.backchannel_authentication_request_signing_alg, client.backchannel_token_delivery_mode == "push"
    bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    if push and (bound or client.profile is Profile.FAPI2):
        raise ValueError("backchannel_token_delivery_mode: push is not for profile fapi2, nor for tokens bound to their sender")
    if (signed or client.profile is Profile.FAPI2) and not client.has_keys:
        raise ValueError("backchannel_authentication_request_signing_alg: needs jwks or jwks_uri; profile fapi2 demands signed requests")


def _check_device_code(client: Client, *, public: bool) -> None:
    """RFC 8628: the person and the device may be far from each other, which FAPI 2.0 does not provide for."""
    if client.profile is Profile.FAPI2:
        raise ValueError(f"grant_types: profile fapi2 does not allow {_DEVICE_CODE}")
    if "openid" not in client.scope:
        raise ValueError(f"scope: must contain openid for {_DEVICE_CODE}")


_GRANT_CHECKS: Final[Mapping[str, Callable[..., None]]] = {
    _EXCHANGE: _check_exchange,
    _BACKCHANNEL: _check_backchannel,
    _DEVICE_CODE: _check_device_code,
}


def _check_authentication(client: Client) -> None:
    method = client.token_endpoint_auth_method
    if method not in CLIENT_AUTH_METHODS:
        raise ValueError(f"token_endpoint_auth_method: must be one of {', '.join(CLIENT_AUTH_METHODS)}")
    if method == "private_key_jwt" and not client.has_keys:
        raise ValueError("jwks: private_key_jwt needs it, or jwks_uri")
    if client.jwks is not None:
        check_jwks(client.jwks)
        if client.jwks_uri is not None:
            raise ValueError("jwks_uri: must not stand beside jwks (RFC 7591 §2)")
    _check_certificates(client)
    _check_sector(client)
    _check_request_objects(client)
    check_encryption(client)
    _check_resources(client)


def _check_sector(client: Client) -> None:
    """OpenID Connect Core §8.1: which clients see the same subject must not be guessed."""
    sector = client.sector_identifier
    if sector is not None and not _HOST.fullmatch(sector):
        raise ValueError("sector_identifier: must be a host name in lower case")
    if sector is not None and client.sector_identifier_uri is not None:
        raise ValueError("sector_identifier_uri: must not stand beside sector_identifier")
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and sector is None and client.sector_identifier_uri is None and len(hosts) > 1:
        raise ValueError("sector_identifier: is needed, or sector_identifier_uri, by a pairwise client with redirect_uris on several hosts")


def check_subject(client: Client) -> None:
    """A client that registers for a subject of its own gets one, or is told why not (OpenID Connect Core §8.1)."""
    if client.subject_type == "pairwise" and rules_of(client).keycloak_subject:
        raise ValueError(
            "subject_type: pairwise needs quirks.keycloak_subject: false; the subject of Pro Santé Connect is the national identifier, "
            "the same at every service"
        )


def _check_certificates(client: Client) -> None:
    """RFC 8705 §2.1.2, §2.2: one name, or the certificates themselves."""
    names = {member: value for member in NAME_MEMBERS if (value := getattr(client, member)) is not None}
    if len(names) != (1 if client.token_endpoint_auth_method == "tls_client_auth" else 0):
        raise ValueError(f"{NAME_MEMBERS[0]}: exactly one of {', '.join(NAME_MEMBERS)} goes with tls_client_auth, none with another method")
    for member, value in names.items():
        if not is_name(member, value):
            raise ValueError(f"{member}: {value!r} cannot be the name of a certificate")
    self_signed = client.token_endpoint_auth_method == "self_signed_tls_client_auth" and client.jwks_uri is None
    if self_signed and not list(registered_certificates(client.jwks)):
        raise ValueError("jwks: self_signed_tls_client_auth needs keys with their certificate, as x5c")


def _is_resource(uri: str) -> bool:
    """Whether it can name a resource server: an absolute URI without fragment (RFC 8707 §2)."""
    parts = urlsplit(uri)
    return bool(parts.scheme and (parts.netloc or parts.path)) and "#" not in uri and uri.isascii() and not any(c.isspace() for c in uri)


def _check_resources(client: Client) -> None:
    for member in ("resources", "serves_resources"):
        wrong = next((uri for uri in getattr(client, member) if not _is_resource(uri)), None)
        if wrong is not None:
            raise ValueError(f"{member}: {wrong!r} must be an absolute URI without fragment or space")


def _check_request_objects(client: Client) -> None:
    """A client that must sign its requests needs keys to be verified with."""
    for member in ("require_signed_request_object", "request_object_signing_alg"):
        if getattr(client, member) and not client.has_keys:
            raise ValueError(f"{member}: needs jwks or jwks_uri")


def check_uri(member: str, uri: str, *, public: bool) -> None:
    """An absolute URI without fragment; http for loopback alone; an app's own scheme only for public clients (RFC 8252 §7.1)."""
    parts = urlsplit(uri)
    if not parts.scheme or parts.fragment or "#" in uri or "*" in uri or not uri.isascii() or any(c.isspace() or c in '\\"<>' for c in uri):
        raise ValueError(f"{member}: {uri!r} must be an absolute URI without fragment, wildcard or space")
    if parts.scheme in ("http", "https"):
        if not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"{member}: {uri!r} must name a host, without user information")
        if parts.scheme == "http" and parts.netloc.rpartition(":")[0] not in _LOOPBACK and parts.netloc not in _LOOPBACK:
            raise ValueError(f"{member}: {uri!r} must use https (http is for loopback alone)")
    elif not public or "." not in parts.scheme:
        raise ValueError(f"{member}: {uri!r} must use https; a scheme of an app is for public clients and holds a dot")
