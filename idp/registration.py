"""Relying parties read from a file: YAML with the member names of RFC 7591, each checked before anything is stored.

Shape: ``clients: [{client_id, client_name, profile, redirect_uris, …}]``. Secrets are never in the file: they are
made here, shown once, and kept as SHA-256.
"""

import hashlib
import re
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from idp.audit import AuditLog
from idp.model import CLIENT_AUTH_METHODS, GRANT_TYPES, Client, Profile
from idp.profiles import check_quirks
from idp.store import ClientStore
from idp.tokens.certificate import NAME_MEMBERS, is_name, read_der, registered_certificates
from vocabulary.audit import AuditAction, Outcome

#: Shortest RSA key of a client, in bits (RFC 7518 §3.3).
_MIN_RSA_BITS: Final = 2048
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_BACKCHANNEL: Final = "urn:openid:params:grant-type:ciba"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
#: FAPI 2.0 §5.3.2.1.
_FAPI2_METHODS: Final = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
_SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")


class RegistrationError(ValueError):
    """The file cannot be used; the text names file, client and member."""


def _words(value: object) -> object:
    """``scope`` may be a string (RFC 7591 §2) or a list."""
    return value.split() if isinstance(value, str) else value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    client_name: str = Field(min_length=1, max_length=100)
    profile: Profile = Profile.BASELINE
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    scope: Annotated[frozenset[str], BeforeValidator(_words)] = frozenset({"openid"})
    token_endpoint_auth_method: str = "client_secret_basic"
    jwks: dict[str, Any] | None = None
    resources: tuple[str, ...] = ()
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: Literal["ES256", "PS256", "RS256"] | None = None
    id_token_signed_response_alg: Literal["RS256", "ES256"] | None = None
    introspection_signed_response_alg: Literal["RS256", "ES256"] = "RS256"
    authorization_signed_response_alg: Literal["RS256", "ES256"] | None = None
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    exchange_subject_clients: tuple[str, ...] = ()
    backchannel_token_delivery_mode: Literal["poll", "ping"] = "poll"
    backchannel_client_notification_endpoint: str | None = None
    structure_name: str | None = None
    structure_finess: str | None = None
    quirks: dict[str, str | int | bool] = Field(default_factory=dict)
    disabled: bool = False

    def client(self) -> Client:
        """The client, without secret; raises ValueError naming the member at fault."""
        members = self.model_dump()
        members["id_token_signed_response_alg"] = self.id_token_signed_response_alg or ("RS256" if self.profile is Profile.PSC else "ES256")
        client = Client(**members)
        _check(client)
        check_quirks(client)
        return client


def read_clients(path: Path) -> list[Client]:
    """The clients a file describes, without secrets; raises :class:`RegistrationError`, and returns nothing of a file with a fault."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegistrationError(f"{path}: cannot be read: {error}") from error
    entries = document.get("clients") if isinstance(document, dict) else None
    if not isinstance(entries, list) or set(document) != {"clients"}:
        raise RegistrationError(f"{path}: the document must be a mapping with the one member 'clients', a list")
    clients: dict[str, Client] = {}
    for number, entry in enumerate(entries, start=1):
        client = parse_client(entry, f"{path}: client {number}")
        if client.client_id in clients:
            raise RegistrationError(f"{path}: client {number}: client_id {client.client_id!r} is there twice")
        clients[client.client_id] = client
    return list(clients.values())


def parse_client(entry: object, place: str) -> Client:
    """One entry; ``place`` begins the message of what is wrong with it."""
    try:
        return _Entry.model_validate(entry).client()
    except ValidationError as error:
        fault = error.errors()[0]
        member = ".".join(str(part) for part in fault["loc"])
        raise RegistrationError(f"{place}: {member}: {fault['msg']}") from error
    except ValueError as error:
        raise RegistrationError(f"{place}: {error}") from error


def _check(client: Client) -> None:
    _check_authentication(client)
    public = client.token_endpoint_auth_method == "none"
    _check_grants(client, public=public)
    for member in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in getattr(client, member):
            _check_uri(member, uri, public=public)


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
    for member in ("exchange_subject_clients", "resources"):
        if not getattr(client, member):
            raise ValueError(f"{member}: at least one is needed for {_EXCHANGE}")


def _check_backchannel(client: Client, *, public: bool) -> None:
    """CIBA §4: who may ask for a person without a browser."""
    if public:
        raise ValueError(f"grant_types: a public client cannot use {_BACKCHANNEL}")
    if client.profile is Profile.FAPI2:
        raise ValueError(f"grant_types: profile fapi2 needs signed authentication requests for {_BACKCHANNEL}, which are not offered")
    if "openid" not in client.scope:
        raise ValueError(f"scope: must contain openid for {_BACKCHANNEL}")
    endpoint = client.backchannel_client_notification_endpoint
    if (client.backchannel_token_delivery_mode == "ping") != (endpoint is not None):
        raise ValueError("backchannel_client_notification_endpoint: goes with delivery mode ping, and ping needs it")
    if endpoint is not None:
        _check_uri("backchannel_client_notification_endpoint", endpoint, public=False)


_GRANT_CHECKS: Final[Mapping[str, Callable[..., None]]] = {_EXCHANGE: _check_exchange, _BACKCHANNEL: _check_backchannel}


def _check_authentication(client: Client) -> None:
    method = client.token_endpoint_auth_method
    if method not in CLIENT_AUTH_METHODS:
        raise ValueError(f"token_endpoint_auth_method: must be one of {', '.join(CLIENT_AUTH_METHODS)}")
    if client.profile is Profile.FAPI2 and method not in _FAPI2_METHODS:
        raise ValueError(f"token_endpoint_auth_method: profile fapi2 demands {' or '.join(_FAPI2_METHODS)}")
    if method == "private_key_jwt" and client.jwks is None:
        raise ValueError("jwks: private_key_jwt needs it")
    if client.jwks is not None:
        _check_jwks(client.jwks)
    _check_certificates(client)
    _check_sector(client)
    _check_request_objects(client)
    _check_resources(client)


def _check_sector(client: Client) -> None:
    """OpenID Connect Core §8.1: which clients see the same subject must not be guessed."""
    sector = client.sector_identifier
    if sector is not None and not _HOST.fullmatch(sector):
        raise ValueError("sector_identifier: must be a host name in lower case")
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and sector is None and len(hosts) > 1:
        raise ValueError("sector_identifier: is needed by a pairwise client whose redirect_uris are on several hosts")


def _check_certificates(client: Client) -> None:
    """RFC 8705 §2.1.2, §2.2: one name, or the certificates themselves."""
    names = {member: value for member in NAME_MEMBERS if (value := getattr(client, member)) is not None}
    if len(names) != (1 if client.token_endpoint_auth_method == "tls_client_auth" else 0):
        raise ValueError(f"{NAME_MEMBERS[0]}: exactly one of {', '.join(NAME_MEMBERS)} goes with tls_client_auth, none with another method")
    for member, value in names.items():
        if not is_name(member, value):
            raise ValueError(f"{member}: {value!r} cannot be the name of a certificate")
    if client.token_endpoint_auth_method == "self_signed_tls_client_auth" and not list(registered_certificates(client.jwks)):
        raise ValueError("jwks: self_signed_tls_client_auth needs keys with their certificate, as x5c")


def _is_resource(uri: str) -> bool:
    """Whether it can name a resource server: an absolute URI without fragment (RFC 8707 §2)."""
    parts = urlsplit(uri)
    return bool(parts.scheme and (parts.netloc or parts.path)) and "#" not in uri and uri.isascii() and not any(c.isspace() for c in uri)


def _check_resources(client: Client) -> None:
    for uri in client.resources:
        if not _is_resource(uri):
            raise ValueError(f"resources: {uri!r} must be an absolute URI without fragment or space")


def _check_request_objects(client: Client) -> None:
    """A client that must sign its requests needs keys to be verified with."""
    for member in ("require_signed_request_object", "request_object_signing_alg"):
        if getattr(client, member) and client.jwks is None:
            raise ValueError(f"{member}: needs jwks")
    if client.profile is Profile.FAPI2 and client.request_object_signing_alg == "RS256":
        raise ValueError("request_object_signing_alg: profile fapi2 forbids RS256")


def _check_uri(member: str, uri: str, *, public: bool) -> None:
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


def _check_jwks(jwks: Mapping[str, Any]) -> None:
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise ValueError("jwks: must hold a list 'keys'")
    for number, key in enumerate(keys, start=1):
        if not isinstance(key, dict) or key.get("kty") not in ("RSA", "EC"):
            raise ValueError(f"jwks: key {number} must be an RSA or EC key")
        if "x5c" in key:
            _check_chain(key["x5c"], number)
        if "d" in key:
            raise ValueError(f"jwks: key {number} is a private key; register the public part alone")
        _check_key(key, number)


def _check_key(key: dict[str, Any], number: int) -> None:
    """It must be usable now: a key that cannot be read would only show when the client comes."""
    # A command that registers clients without keys does without this import.
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwk import ECKey, RSAKey

    try:
        with warnings.catch_warnings():
            # A short key only makes the library warn; it is refused below.
            warnings.simplefilter("ignore", SecurityWarning)
            read = RSAKey.import_key(key) if key["kty"] == "RSA" else ECKey.import_key(key)
        public = read.raw_value
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"jwks: key {number} cannot be read: {error}") from error
    if isinstance(read, RSAKey) and public.key_size < _MIN_RSA_BITS:
        raise ValueError(f"jwks: key {number} has {public.key_size} bits; RSA needs at least {_MIN_RSA_BITS}")
    if isinstance(read, ECKey) and key.get("crv") != "P-256":
        raise ValueError(f"jwks: key {number} must be on P-256, the curve of ES256")


def _check_chain(chain: object, number: int) -> None:
    """A certificate that cannot be read would only show when the client comes."""
    try:
        read_der(chain[0])  # type: ignore[index]  # whatever else it is raises TypeError
    except (IndexError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"jwks: key {number}: x5c cannot be read: {error}") from error


def needs_secret(client: Client) -> bool:
    """Whether this client proves itself by a secret of ours."""
    return client.token_endpoint_auth_method in _SECRET_METHODS


def make_secret() -> tuple[str, str]:
    """A new client secret (256 random bits) and the hash that is kept of it."""
    value = secrets.token_urlsafe(32)
    return value, hash_client_secret(value)


def hash_client_secret(value: str) -> str:
    """SHA-256 in hex: a generated secret cannot be guessed, so a slow hash would only cost."""
    return hashlib.sha256(value.encode()).hexdigest()


async def apply_clients(store: ClientStore, audit: AuditLog, clients: Sequence[Client], known: Mapping[str, str]) -> dict[str, str]:
    """Store the clients; returns the secrets that were made. ``known``: secrets given beforehand; one already stored keeps its value."""
    made: dict[str, str] = {}
    for client in clients:
        present = await store.get(client.client_id)
        secret_hash: str | None = None
        if needs_secret(client):
            secret_hash = present.client_secret_hash if present else None
            if client.client_id in known:
                secret_hash = hash_client_secret(known[client.client_id])
            elif secret_hash is None:
                made[client.client_id], secret_hash = make_secret()
        client = replace(client, client_secret_hash=secret_hash)
        if client != present:
            await store.put(client)
            fields = {"health.relying_party.id": client.client_id, "health.actor.id": "cli"}
            audit.record(AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, fields)
    return made
