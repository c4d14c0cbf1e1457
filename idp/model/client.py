"""A registered relying party, and what it can be registered for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: What a client may be registered for, by the names of RFC 7591; :mod:`idp.grants` and :mod:`idp.client_auth` do it.
GRANT_TYPES: Final = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
CLIENT_AUTH_METHODS: Final = (
    "client_secret_basic",
    "client_secret_post",
    "none",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)


class Profile(StrEnum):
    """What a client is held to (see :mod:`idp.profiles`)."""

    PSC = "psc"
    BASELINE = "baseline"
    FAPI2 = "fapi2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered relying party. Member names are those of RFC 7591 and OpenID Connect Registration."""

    client_id: str
    client_name: str
    profile: Profile = Profile.BASELINE
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    scope: frozenset[str] = frozenset({"openid"})
    token_endpoint_auth_method: str = "client_secret_basic"
    #: SHA-256 in hex of a generated secret of at least 256 bits (a slow hash would add nothing but cost).
    client_secret_hash: str | None = None
    jwks: Mapping[str, object] | None = None
    #: Resource servers (RFC 8707) this client may ask access tokens for, besides ourselves.
    resources: tuple[str, ...] = ()
    #: RFC 9126 §6: an authorization request counts only when it was pushed (a profile may demand it too).
    require_pushed_authorization_requests: bool = False
    #: RFC 9101 §10.5: an authorization request counts only as a signed object.
    require_signed_request_object: bool = False
    #: The one algorithm of this client's request objects; without it every one we accept.
    request_object_signing_alg: str | None = None
    id_token_signed_response_alg: str = "ES256"
    #: Of introspection answers that the client asks for as JWT (RFC 9701 §6; its default).
    introspection_signed_response_alg: str = "RS256"
    #: What signs answers of the authorization endpoint (JARM §3); by default what signs the client's ID tokens.
    authorization_signed_response_alg: str | None = None
    subject_type: str = "public"
    sector_identifier: str | None = None
    #: Tokens of this client are bound to a DPoP key, always (RFC 9449 §5.2).
    dpop_bound_access_tokens: bool = False
    #: Tokens of this client are bound to its TLS certificate, always (RFC 8705 §3.4).
    tls_client_certificate_bound_access_tokens: bool = False
    #: For ``tls_client_auth``, the one name that its certificates are issued for (RFC 8705 §2.1.2).
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    #: Name and FINESS of the establishment, shown on the login page.
    structure_name: str | None = None
    structure_finess: str | None = None
    #: Clients whose tokens this one may exchange for one of an interface among its ``resources`` (RFC 8693).
    exchange_subject_clients: tuple[str, ...] = ()
    #: How the service hears of a backchannel login (CIBA §4): poll, or ping at the endpoint it registered.
    backchannel_token_delivery_mode: str = "poll"
    backchannel_client_notification_endpoint: str | None = None
    #: Where the service is told that a session has ended: by us (Back-Channel Logout), or by the person's browser (Front-Channel Logout).
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    #: Overrides of the profile's quirks and lifetimes, by switch name.
    quirks: Mapping[str, str | int | bool] = field(default_factory=dict)
    disabled: bool = False
