"""The members of a registration: their types and defaults, and the client that they make."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from idp.model import Client, Profile
from idp.profiles import check_quirks
from idp.registration.checks import check_client, check_subject
from vocabulary.identifiers import PsIdNat


def _printable(value: str) -> str:
    """People read it on the login page and on their phone: no control character, no mark that turns the text around."""
    if not value.isprintable():
        raise ValueError("holds a character that cannot be shown")
    return value


def _national_id(value: str) -> str:
    """As accounts have it: a bare RPPS gets its type digit."""
    return str(PsIdNat.parse(value))


def _words(value: object) -> object:
    """``scope`` may be a string (RFC 7591 §2) or a list."""
    return value.split() if isinstance(value, str) else value


class Entry(BaseModel):
    """What may be said of a client, under the member names of RFC 7591 and of the standards that add to it."""

    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    client_name: Annotated[str, AfterValidator(_printable)] = Field(min_length=1, max_length=100)
    profile: Profile = Profile.BASELINE
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    scope: Annotated[frozenset[str], BeforeValidator(_words)] = frozenset({"openid"})
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: Literal["ES256", "PS256", "RS256"] | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    resources: tuple[str, ...] = ()
    serves_resources: tuple[str, ...] = ()
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: Literal["ES256", "PS256", "RS256"] | None = None
    id_token_signed_response_alg: Literal["RS256", "PS256", "ES256"] | None = None
    introspection_signed_response_alg: Literal["RS256", "PS256", "ES256"] | None = None
    authorization_signed_response_alg: Literal["RS256", "PS256", "ES256"] | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_signed_response_alg: Literal["RS256", "PS256", "ES256"] | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    introspection_encrypted_response_alg: str | None = None
    introspection_encrypted_response_enc: str | None = None
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier: str | None = None
    sector_identifier_uri: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_subject_ou: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    exchange_subject_clients: tuple[str, ...] = ()
    exchange_subject_issuers: tuple[str, ...] = ()
    backchannel_token_delivery_mode: Literal["poll", "ping", "push"] = "poll"
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: Literal["ES256", "PS256", "RS256"] | None = None
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    request_uris: tuple[str, ...] = Field(default=(), max_length=20)
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=10)
    developers: tuple[Annotated[str, AfterValidator(_national_id)], ...] = Field(default=(), max_length=50)
    application_type: Literal["web", "native"] = "web"
    software_id: str | None = Field(default=None, max_length=200)
    software_version: str | None = Field(default=None, max_length=200)
    initiate_login_uri: str | None = None
    default_max_age: int | None = Field(default=None, ge=0)
    default_acr_values: tuple[str, ...] = ()
    authorization_details_types: tuple[str, ...] = ()
    structure_name: Annotated[str, AfterValidator(_printable)] | None = None
    structure_finess: str | None = None
    quirks: dict[str, str | int | bool] = Field(default_factory=dict)
    disabled: bool = False

    def client(self) -> Client:
        """The client, without secret; raises ValueError naming the member at fault."""
        members = self.model_dump()
        members["id_token_signed_response_alg"] = self.id_token_signed_response_alg or unsaid_signing_alg(self.profile)
        client = Client(**members)
        check_client(client)
        check_quirks(client)
        check_subject(client)
        return client


def unsaid_signing_alg(profile: Profile) -> str:
    """What signs the ID tokens of a client that does not say: the one default that depends on another member."""
    return "RS256" if profile is Profile.PSC else "ES256"
