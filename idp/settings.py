"""Settings of the identity provider: read once from the environment (prefix ``IDP_``), frozen, handed down as values."""

import os
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vocabulary.identifiers import PsIdNat

_PREFIX = "IDP_"
Level = Literal["eidas1", "eidas2", "eidas3"]


class Environment(StrEnum):
    """Development allows plain http and the control API; production refuses both."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """One field per variable; the safe value is the default, except where a person must choose."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    environment: Environment = Field(Environment.PRODUCTION, description="production, or development (plain http and control API allowed).")
    host: str = Field("127.0.0.1", description="Address to listen on; put a TLS proxy in front.")
    port: int = Field(8800, ge=1, le=65535, description="TCP port to listen on (number).")
    admin_host: str = Field("127.0.0.1", description="Address of the port below.")
    admin_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="TCP port that has the administration API, its description, metrics and health to itself; "
        "without it the API is served on port, under /admin/, and metrics nowhere.",
    )
    admin_base_url: str = Field(
        "",
        description="URL of that port as browsers of administrators see it, without final slash; by default http, with host and port.",
    )
    administrators: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="National identifiers (comma separated) of the people who may enter the administration pages; without, nobody."
    )
    log_format: Literal["text", "ecs"] = Field("text", description="Lines of the log: text, or ecs (JSON with the names of ECS).")
    base_url: str = Field("http://127.0.0.1:8800", description="URL of the provider as browsers see it, without final slash.")
    issuer: str = Field("", description="Issuer identifier; by default base_url/auth/realms/esante-wallet.")
    issuer_host_served: bool = Field(
        default=False,
        description="The issuer has another host than base_url, and both lead here (as at Pro Santé Connect); browsers stay on base_url.",
    )
    discovery_paths: Literal["both", "wallet", "standard"] = Field(
        "both",
        description="Under which names the metadata is served: wallet (wallet-openid-configuration, as Pro Santé Connect), "
        "standard (openid-configuration), or both.",
    )
    discovery_psc_values: bool = Field(
        default=False,
        description="The metadata has the members and values of Pro Santé Connect's (acr_values_supported [0, 0], implicit, plain, …) "
        "instead of what is served; addresses stay those of this provider (development only).",
    )
    state: Path = Field(Path("var/idp"), description="Folder of the store, the audit log and (by default) the seal key.")
    seal_key_file: Path | None = Field(
        None, description="File with the key that seals signing keys (32 bytes, base64url); by default seal.key in the state folder."
    )
    pkcs11_module: Path | None = Field(
        None, description="Library (PKCS #11) of a security module that makes and keeps the signing keys; by default they are in the store."
    )
    pkcs11_label: str = Field("", description="Label of the token that holds the keys in that module.")
    pkcs11_pin_file: Path | None = Field(None, description="File with the user PIN of the token, readable by its owner alone.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Networks (CIDR, comma separated) whose X-Forwarded-For is believed."
    )
    client_certificate_header: str = Field(
        "",
        description="Header in which a trusted proxy hands on the TLS client certificate (PEM in percent-encoding, or RFC 9440); "
        "without it no client can use a certificate.",
    )
    client_certificate_verify_header: str = Field(
        "", description="Header in which the same proxy says SUCCESS when it verified the certificate (nginx: $ssl_client_verify)."
    )
    mtls_base_url: str = Field(
        "", description="URL, without final slash, where clients connect with a certificate (mtls_endpoint_aliases), if it is another."
    )
    card_base_url: str = Field(
        "",
        description="URL, without final slash, at which the proxy asks browsers for the certificate of a card (a host name or a port of "
        "its own); without it nobody logs in by card.",
    )
    card_authorities_file: Path | None = Field(
        None, description="PEM file of the certificate authorities that issue cards, and of those above them up to the root."
    )
    card_revocations_file: Path | None = Field(
        None,
        description="Revocation lists (CRL) of these authorities: several in PEM, or one in DER; read again when the file changes. "
        "No card is taken whose list is missing or past its nextUpdate.",
    )
    card_identifier: str = Field(
        "CN",
        description="Attribute of a card's subject that holds the national identifier: a name of RFC 4514 (CN), serialNumber, or an OID.",
    )
    card_acr: Level = Field("eidas3", description="Level that a login by card reaches (acr).")
    card_amr: Annotated[tuple[str, ...], NoDecode] = Field(
        ("sc", "pin", "mfa", "hwk"), description="What a login by card is told as (amr: values of RFC 8176, comma separated)."
    )
    device_acr: Level = Field("eidas2", description="Level that a login by phone reaches (acr).")
    device_amr: Annotated[tuple[str, ...], NoDecode] = Field(
        ("hwk", "pin"), description="What a login by phone is told as (amr: values of RFC 8176, comma separated)."
    )
    geography_file: Path | None = Field(
        None, description="CSV network,country_iso_code,city_name,lat,lon: shows a person where a login is asked from."
    )
    subject_issuers_file: Path | None = Field(
        None, description="YAML file of other providers whose tokens can be exchanged (RFC 8693), such as Pro Santé Connect."
    )
    authorization_details_file: Path | None = Field(
        None, description="YAML file of the types of authorization details (RFC 9396) that clients may be registered for."
    )
    control_api: bool | None = Field(
        None, description="Serve the control API that tests use to approve logins; by default in development only."
    )
    clock_start: AwareDatetime | None = Field(
        None, description="Instant (RFC 3339) at which the clock begins instead of now; development only."
    )
    store_synchronous: Literal["full", "normal"] = Field(
        "full",
        description="When a write to the store counts as done: full, once it is on the disk; normal, once a killed process "
        "cannot lose it (a power cut may take the last ones; development only).",
    )
    session_idle: timedelta = Field(
        timedelta(minutes=30), gt=timedelta(), description="A session ends after this long without use (ISO 8601 or seconds)."
    )
    session_max: timedelta = Field(
        timedelta(hours=4), gt=timedelta(), description="A session ends this long after login (ISO 8601 or seconds)."
    )
    consent_lifetime: timedelta = Field(
        timedelta(days=365),
        gt=timedelta(),
        description="For how long a person's yes to a service that registered itself counts (ISO 8601 or seconds).",
    )
    approval_lifetime: timedelta = Field(
        timedelta(seconds=120), gt=timedelta(), description="How long a device may answer (ISO 8601 or seconds)."
    )
    client_registration: bool = Field(
        default=False,
        description="Clients may register themselves (RFC 7591), with a token that `idp clients initial-token` made; "
        "by default the endpoint is not there.",
    )
    outbound_loopback: bool = Field(
        default=False, description="Notifications and look-ups may go to services on this machine (loopback addresses; development only)."
    )
    outbound_authorities_file: Path | None = Field(
        None,
        description="PEM file of certificate authorities that notifications and look-ups believe besides the public ones "
        "(such as IGC-Santé, or the establishment's own).",
    )
    delivery_horizon: timedelta = Field(
        timedelta(hours=12),
        gt=timedelta(),
        le=timedelta(days=6),
        description="For how long a service that does not answer is told again that a session has ended (ISO 8601 or seconds).",
    )
    attempt_window: timedelta = Field(
        timedelta(minutes=15), gt=timedelta(), description="Period over which attempts are counted (ISO 8601 or seconds)."
    )
    authorization_limit_count: int = Field(
        600, ge=1, description="Authorization requests per network (an address, or an IPv6 /64) and minute; a hospital may be one address."
    )
    client_failure_limit_count: int = Field(20, ge=1, description="Failed client authentications per client and address in attempt_window.")
    account_attempt_limit_count: int = Field(20, ge=1, description="Logins begun per account in attempt_window.")
    source_attempt_limit_count: int = Field(100, ge=1, description="Logins begun per source address in attempt_window.")

    refusal_memory: timedelta = Field(
        timedelta(days=3),
        gt=timedelta(),
        le=timedelta(days=30),
        description="For how long the developers of a client can look at a refused request (ISO 8601 or seconds).",
    )
    refusal_client_limit_count: int = Field(100, ge=1, le=10_000, description="Refused requests kept per client; the oldest make room.")
    refusal_source_limit_count: int = Field(20, ge=1, description="Of these, how many may come from one network.")

    @field_validator("trusted_proxies", "administrators", "card_amr", "device_amr", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("administrators")
    @classmethod
    def _people(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(PsIdNat.parse(one)) for one in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for cidr in value:
            ip_network(cidr)
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.base_url.endswith("/"):
            raise ValueError("IDP_BASE_URL must not end with a slash")
        if not self.issuer:
            object.__setattr__(self, "issuer", f"{self.base_url}/auth/realms/esante-wallet")
        if self.control_api is None:
            object.__setattr__(self, "control_api", self.development)
        _check_url("IDP_BASE_URL", self.base_url)
        _check_url("IDP_ISSUER", self.issuer)
        within = self.issuer.startswith(f"{self.base_url}/") or self.issuer == self.base_url
        if not within and not self.issuer_host_served:
            raise ValueError("IDP_ISSUER must begin with IDP_BASE_URL, where its endpoints are served (or set IDP_ISSUER_HOST_SERVED)")
        self._check_certificates()
        self._check_cards()
        self._check_module()
        if self.admin_port == self.port:
            raise ValueError("IDP_ADMIN_PORT must be another port than IDP_PORT: it is there to be kept from those who reach the other")
        self._check_administration()
        if not self.development:
            self._refuse_unsafe()
        return self

    def _check_administration(self) -> None:
        """Where administrators go; over plain http only on this machine (a tunnel)."""
        if self.admin_port is None:
            if self.admin_base_url or self.administrators:
                raise ValueError("IDP_ADMIN_BASE_URL and IDP_ADMINISTRATORS need IDP_ADMIN_PORT: the administration pages are there alone")
            return
        if not self.admin_base_url:
            host = f"[{self.admin_host}]" if ":" in self.admin_host else self.admin_host
            object.__setattr__(self, "admin_base_url", f"http://{host}:{self.admin_port}")
        _check_url("IDP_ADMIN_BASE_URL", self.admin_base_url)
        parts = urlsplit(self.admin_base_url)
        if self.admin_base_url.endswith("/"):
            raise ValueError("IDP_ADMIN_BASE_URL must not end with a slash")
        plain = parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost")
        if plain and self.administrators and not self.development:
            raise ValueError(f"IDP_ADMIN_BASE_URL is {self.admin_base_url!r}: administrators need https, or loopback (a tunnel)")

    def _check_certificates(self) -> None:
        """A header that nobody is trusted to write would be a way in, or a mistake."""
        if self.client_certificate_header and not self.trusted_proxies:
            raise ValueError("IDP_CLIENT_CERTIFICATE_HEADER needs IDP_TRUSTED_PROXIES: the proxy that writes it")
        if bool(self.client_certificate_header) != bool(self.client_certificate_verify_header):
            raise ValueError("IDP_CLIENT_CERTIFICATE_HEADER and IDP_CLIENT_CERTIFICATE_VERIFY_HEADER go together")
        if self.mtls_base_url:
            _check_url("IDP_MTLS_BASE_URL", self.mtls_base_url)
            if self.mtls_base_url.endswith("/") or not self.mtls_base_url.startswith("https:") or not self.client_certificate_header:
                raise ValueError("IDP_MTLS_BASE_URL must be https, without final slash, and needs IDP_CLIENT_CERTIFICATE_HEADER")

    def _check_cards(self) -> None:
        """A means of login is there as a whole, or not at all."""
        if bool(self.card_base_url) != bool(self.card_authorities_file):
            raise ValueError("IDP_CARD_BASE_URL and IDP_CARD_AUTHORITIES_FILE go together")
        if not self.card_base_url:
            if self.card_revocations_file:
                raise ValueError("IDP_CARD_REVOCATIONS_FILE needs IDP_CARD_BASE_URL: nobody logs in by card without it")
            return
        _check_url("IDP_CARD_BASE_URL", self.card_base_url)
        if self.card_base_url.endswith("/") or not self.client_certificate_header:
            raise ValueError("IDP_CARD_BASE_URL must have no final slash, and needs IDP_CLIENT_CERTIFICATE_HEADER")
        if not self.development and (not self.card_base_url.startswith("https:") or self.card_base_url == self.base_url):
            raise ValueError(
                "IDP_CARD_BASE_URL must be https, at another host name or port than IDP_BASE_URL: there every browser is asked"
            )

    def _check_module(self) -> None:
        given = (self.pkcs11_module, self.pkcs11_label, self.pkcs11_pin_file)
        if any(given) and not all(given):
            raise ValueError("IDP_PKCS11_MODULE, IDP_PKCS11_LABEL and IDP_PKCS11_PIN_FILE go together")

    def _refuse_unsafe(self) -> None:
        """What a development provider may do and a production one may not."""
        for name, url in (("IDP_BASE_URL", self.base_url), ("IDP_ISSUER", self.issuer)):
            if not url.startswith("https:"):
                raise ValueError(f"{name} is {url!r}: production needs https; set IDP_ENVIRONMENT=development to try the provider out")
        for cidr in self.trusted_proxies:
            if ip_network(cidr).prefixlen == 0:
                raise ValueError(f"IDP_TRUSTED_PROXIES holds {cidr}: everyone could choose the address that limits and logs see")
        if self.control_api:
            raise ValueError("IDP_CONTROL_API lets anyone approve logins; it exists in development only")
        if self.outbound_loopback:
            raise ValueError("IDP_OUTBOUND_LOOPBACK lets notifications reach this machine; it exists in development only")
        if self.discovery_psc_values:
            raise ValueError("IDP_DISCOVERY_PSC_VALUES announces what is not served; it exists in development only")
        if self.clock_start is not None:
            raise ValueError("IDP_CLOCK_START sets the clock by hand; it exists in development only")
        if self.store_synchronous != "full":
            raise ValueError(f"IDP_STORE_SYNCHRONOUS={self.store_synchronous} can lose acknowledged writes; it exists in development only")

    @property
    def development(self) -> bool:
        """Whether unsafe conveniences may be switched on."""
        return self.environment is Environment.DEVELOPMENT

    @property
    def seal_key(self) -> Path:
        """Where the key-encryption key is read from."""
        return self.seal_key_file or self.state / "seal.key"


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{name} must be an http or https URL without query or fragment, not {url!r}")


def load() -> Settings:
    """Settings of this process; raises ValueError for a variable with the prefix that means nothing (a typing error, most often)."""
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)
    if unknown:
        raise ValueError(f"{unknown[0]} is not a setting of the identity provider; see the list of settings in the documentation")
    return Settings()
