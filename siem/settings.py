"""The settings of the watch: environment variables with the prefix ``SIEM_``, read once.

A variable with the prefix that no field knows is refused. In production an unsafe value refuses to start
and says what to do. A secret may also be given by a file: ``SIEM_<NAME>_FILE`` holds its path.
"""

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "SIEM_"
ROOT = Path(__file__).resolve().parent.parent


class RuleSettings(BaseSettings):
    """Where rules are: all that a command needs which only reads them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    state: Path = Field(
        Path("var/siem"),
        description="folder of the watch's state: queue, events, database, evidence, keys, the operator's rules (local-rules)",
    )
    rules: Path = Field(ROOT / "rules", description="folder of Sigma rules")
    extra_rules: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="comma-separated folders of further rules, loaded with SIEM_RULES as one set: ids and names are unique over all"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what :func:`load` hands over: it has read the environment, and refuses what it does not know."""
        return (init_settings,)

    @field_validator("extra_rules", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        return _split(value)


class Settings(RuleSettings):
    """Everything the watch can be told from outside."""

    environment: Literal["production", "development"] = Field(
        "production", description="production refuses unsafe values; development allows plain http on loopback"
    )
    log_format: Literal["text", "ecs"] = Field("text", description="lines of the log: text, or ecs (JSON with the names of ECS)")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8900, description="port to listen on", json_schema_extra={"unit": "port"})
    base_url: str = Field(
        "http://127.0.0.1:8900", description="address under which browsers and the desk reach the watch, without trailing slash"
    )
    sources_file: Path = Field(Path("sources.yaml"), description="YAML list of the log sources")
    api_keys_file: Path | None = Field(
        None, description="JSON object from source name (or «guichet») to the SHA-256, in hex, of its API key"
    )
    playbooks: Path = Field(ROOT / "playbooks", description="folder of playbooks and declaration forms")
    geography_file: Path | None = Field(None, description="CSV network,country_iso_code,city_name,lat,lon")
    directory_file: Path | None = Field(None, description="CSV national_id,profession,finess for enrichment")
    establishments_file: Path | None = Field(
        None, description="YAML of what each establishment has registered about itself, for its dossiers"
    )
    granting_contact: str = Field(
        "", description="who grants roles in the watch: name and e-mail or telephone, shown to people without one"
    )
    users_file: Path | None = Field(None, description="YAML list of the people granted a role, applied at start")
    oidc_issuer: str = Field(
        "http://127.0.0.1:8800/auth/realms/esante-wallet",
        description="issuer of the OpenID Provider that the console logs in with, and whose security events are received",
    )
    oidc_client_id: str = Field("veilleur-console", description="client_id of the console")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="secret of the console's client")
    idp_admin_url: str = Field(
        "http://127.0.0.1:8800/admin/v1", description="administration interface of the identity provider, for playbooks"
    )
    idp_client_id: str = Field(
        "veilleur-siem", description="client_id of the watch itself (client_credentials), and audience of its security events"
    )
    idp_client_secret: SecretStr = Field(SecretStr(""), description="secret of the watch's client")
    desk_url: str = Field("", description="desk to file declarations with; empty: this watch's own desk")
    desk_api_key: SecretStr = Field(SecretStr(""), description="API key for that desk")
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="comma-separated networks whose X-Forwarded-For is believed"
    )
    store_synchronous: Literal["full", "normal"] = Field(
        "full",
        description="when a write to the stores counts as done: full, once it is on the disk; normal, once a killed process "
        "cannot lose it (a power cut may take the last ones; development only)",
    )
    batch_count: int = Field(2000, description="records processed together at most", ge=1, le=50_000)
    lateness_seconds: int = Field(300, description="how late an event may arrive and still be correlated in order, in seconds", ge=0)
    source_silence_seconds: int = Field(
        900,
        description="after how long without an event a source is shown as silent and, while others bring some, rules no longer wait for "
        "it, in seconds; silent_after of sources.yaml says it for one source",
        ge=1,
    )
    verify_sample_ratio: float = Field(
        0.001,
        description="share of events also evaluated against every rule, to see that the index leaves nothing out",
        ge=0,
        le=1,
    )
    incident_risk_count: int = Field(100, description="summed risk from which alerts about one subject become an incident", ge=1)
    risk_half_life_days: int = Field(3, description="after how long half of an alert’s weight on a risk is left, in days", ge=1, le=365)
    entity_risk_count: int = Field(
        100, description="risk of a person or a device from which its alerts become an incident, however many days apart; 0: never", ge=0
    )
    alert_limit_count: int = Field(
        0,
        description="how many alerts of one rule about the same group may begin before it falls silent, unless the rule says; 0: any",
        ge=0,
    )
    alert_limit_seconds: int = Field(60, description="within how long that many alerts must begin for it, in seconds", ge=1)
    alert_silence_seconds: int = Field(
        900, description="how long it is then silent; what comes is counted on the last alert, in seconds", ge=1
    )
    history_days: int = Field(30, description="how far back a new or changed rule looks at stored events, in days; 0: not at all", ge=0)
    history_rule_cpu_seconds: int = Field(120, description="processor time that one rule may take for it, in seconds", ge=0)
    history_cpu_seconds: int = Field(
        1800, description="processor time that all rules together may take for it after a start, in seconds", ge=0
    )
    history_alert_count: int = Field(500, description="alerts after which a rule stops looking back: it is too noisy", ge=1)
    event_retention_days: int = Field(365, description="how long events that name no patient are kept, in days", ge=1)
    access_retention_days: int = Field(
        365, description="how long events that name a patient are kept (who opened whose record), in days", ge=1
    )
    raw_retention_days: int = Field(365, description="how long raw records are kept, in days", ge=1)
    alert_retention_days: int = Field(
        1095, description="how long closed alerts that are part of no incident are kept, in days; not less than SIEM_HISTORY_DAYS", ge=1
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return _split(value)

    @model_validator(mode="after")
    def _alerts_outlive_a_look_back(self) -> Self:
        if self.alert_retention_days < self.history_days:
            raise ValueError(
                "SIEM_ALERT_RETENTION_DAYS is shorter than SIEM_HISTORY_DAYS: "
                "a rule that looks back would raise anew what was closed and is gone"
            )
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.environment == "development":
            return self
        unsafe = {
            "SIEM_BASE_URL": (not self.base_url.startswith("https://"), "give the https address that browsers use"),
            "SIEM_OIDC_ISSUER": (not self.oidc_issuer.startswith("https://"), "give an https issuer"),
            "SIEM_IDP_ADMIN_URL": (not self.idp_admin_url.startswith("https://"), "give an https address"),
            "SIEM_STORE_SYNCHRONOUS": (
                self.store_synchronous != "full",
                "a record that was acknowledged must be on the disk: leave it full",
            ),
            "SIEM_OIDC_CLIENT_SECRET": (not self.oidc_client_secret.get_secret_value(), "give the console's client secret"),
        }
        for name, (is_unsafe, remedy) in unsafe.items():
            if is_unsafe:
                raise ValueError(f"{name} is unsafe in production: {remedy} (or set SIEM_ENVIRONMENT=development on your own machine)")
        return self


_Of = TypeVar("_Of", bound=RuleSettings)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment.

    Raises ValueError naming the variable when one with the prefix is unknown, a secret file cannot be read,
    or a value is not acceptable.
    """
    return _load(Settings, environment)


def load_rule_settings(environment: Mapping[str, str] | None = None) -> RuleSettings:
    """Where rules are; what else the watch needs may be unset. Raises ValueError as :func:`load`."""
    return _load(RuleSettings, environment)


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _load(kind: type[_Of], environment: Mapping[str, str] | None) -> _Of:
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for name, value in environment.items():
        if not name.upper().startswith(PREFIX):
            continue
        key = name[len(PREFIX) :].lower()
        if key in Settings.model_fields:
            values[key] = value
        elif key.endswith("_file") and _is_secret(key.removesuffix("_file")):
            values[key.removesuffix("_file")] = _read(name, value)
        else:
            raise ValueError(f"{name} is not a setting of the watch; see docs/reference/settings.md")
    try:
        return kind(**{key: value for key, value in values.items() if key in kind.model_fields})  # type: ignore[arg-type]  # pydantic converts
    except ValidationError as error:
        raise ValueError("\n".join(_in_words(fault) for fault in error.errors(include_url=False))) from None


def _in_words(fault: ErrorDetails) -> str:
    """``SIEM_PORT: Input should be …``, or what a check over several settings says."""
    name = "".join(f"{PREFIX}{str(part).upper()}: " for part in fault["loc"][:1])
    return name + fault["msg"].removeprefix("Value error, ")


def _is_secret(key: str) -> bool:
    field = Settings.model_fields.get(key)
    return field is not None and field.annotation is SecretStr


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}: {path} cannot be read: {error.strerror}") from error
