"""A registered relying party, and what it can be registered for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    #: The one algorithm of this client's assertions; without it every one that its profile accepts.
    token_endpoint_auth_signing_alg: str | None = None
    #: SHA-256 in hex of a generated secret of at least 256 bits (a slow hash would add nothing but cost).
    client_secret_hash: str | None = None
    jwks: Mapping[str, object] | None = None
    #: Where the client publishes its keys; :mod:`idp.client_keys` puts what is there into ``jwks``.
    jwks_uri: str | None = None
    #: Resource servers (RFC 8707) this client may ask access tokens for, besides ourselves.
    resources: tuple[str, ...] = ()
    #: Resource servers that this client is: it may introspect tokens that are for them.
    serves_resources: tuple[str, ...] = ()
    #: RFC 9126 §6: an authorization request counts only when it was pushed (a profile may demand it too).
    require_pushed_authorization_requests: bool = False
    #: RFC 9101 §10.5: an authorization request counts only as a signed object.
    require_signed_request_object: bool = False
    #: Addresses of request objects that may be fetched (OpenID Connect Core §6.2): these, and no others.
    request_uris: tuple[str, ...] = ()
    #: The one algorithm of this client's request objects; without it every one we accept.
    request_object_signing_alg: str | None = None
    id_token_signed_response_alg: str = "ES256"
    #: Encryption of what is signed, to a key of the client's; without ``alg`` there is none (:mod:`idp.tokens.encryption`).
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    #: The userinfo answer as a signed JWT (OpenID Connect Core §5.3.2), encrypted or not; without it, JSON.
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    introspection_encrypted_response_alg: str | None = None
    introspection_encrypted_response_enc: str | None = None
    #: Of introspection answers that the client asks for as JWT (RFC 9701 §6); without it RS256, its default, or ES256 in profile ``fapi2``.
    introspection_signed_response_alg: str | None = None
    #: What signs answers of the authorization endpoint (JARM §3); by default what signs the client's ID tokens.
    authorization_signed_response_alg: str | None = None
    subject_type: str = "public"
    sector_identifier: str | None = None
    #: A document that lists the redirect URIs of all clients of one sector (OpenID Connect Core §8.1); read on registration.
    sector_identifier_uri: str | None = None
    #: Tokens of this client are bound to a DPoP key, always (RFC 9449 §5.2).
    dpop_bound_access_tokens: bool = False
    #: Tokens of this client are bound to its TLS certificate, always (RFC 8705 §3.4).
    tls_client_certificate_bound_access_tokens: bool = False
    #: For ``tls_client_auth``, the one name that its certificates are issued for (RFC 8705 §2.1.2).
    tls_client_auth_subject_dn: str | None = None
    #: The structure in the subject of a certificate of IGC Santé (``OU``), whatever the rest of the subject.
    tls_client_auth_subject_ou: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    #: Name and FINESS of the establishment, shown on the login page.
    structure_name: str | None = None
    structure_finess: str | None = None
    #: What the service says of itself (RFC 7591 §2); the policies are linked on the login page.
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    #: National identifiers of the people who are told why a request of this client was refused; they log in here like everybody.
    developers: tuple[str, ...] = ()
    application_type: str = "web"
    software_id: str | None = None
    software_version: str | None = None
    #: Where a third party can have a login begun (OpenID Connect Core §4).
    initiate_login_uri: str | None = None
    #: Of requests that say nothing themselves (OpenID Connect Registration §2).
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    #: Types of authorization details that it may ask for (RFC 9396 §10).
    authorization_details_types: tuple[str, ...] = ()
    #: Clients whose tokens this one may exchange for one of an interface among its ``resources`` (RFC 8693).
    exchange_subject_clients: tuple[str, ...] = ()
    #: Other providers, by the operator's names, whose tokens this client may exchange.
    exchange_subject_issuers: tuple[str, ...] = ()
    #: How the service hears of a backchannel login (CIBA §4): poll, or ping or push at the endpoint it registered.
    backchannel_token_delivery_mode: str = "poll"
    backchannel_client_notification_endpoint: str | None = None
    #: With it, backchannel logins of this client count only as signed requests (CIBA §4).
    backchannel_authentication_request_signing_alg: str | None = None
    #: Where the service is told that a session has ended: by us (Back-Channel Logout), or by the person's browser (Front-Channel Logout).
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    #: Overrides of the profile's quirks and lifetimes, by switch name.
    quirks: Mapping[str, str | int | bool] = field(default_factory=dict)
    disabled: bool = False
    #: SHA-256 of what manages a client that registered itself (RFC 7592), and what it may be registered for.
    registration_token_hash: str | None = None
    registration_bounds: Mapping[str, list[str]] = field(default_factory=dict)
    registered_at: datetime | None = None

    @property
    def has_keys(self) -> bool:
        """Whether something can be verified with keys of its own."""
        return self.jwks is not None or self.jwks_uri is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialAccessToken:
    """The right to register clients (RFC 7591 §3), found by the hash of the token, and what they may be registered for.

    The establishment is the one that the token was handed to: no service says of itself whose it is.
    """

    token_hash: str
    label: str
    scope: frozenset[str]
    grant_types: tuple[str, ...]
    profile: Profile
    structure_name: str | None
    structure_finess: str | None
    use_count: int
    created_at: datetime
    expires_at: datetime
