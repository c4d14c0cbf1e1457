"""What a client is held to: every difference between profiles, in one table.

``psc`` behaves on the wire as Pro Santé Connect does, ``baseline`` follows OpenID Connect Core and RFC 9700,
``fapi2`` the FAPI 2.0 Security Profile. A client's ``quirks`` override a switch by its name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import cache
from typing import Final

from idp.model import Client, Profile

SwitchValue = str | int | bool

#: What a client may sign with. ``none``, and secrets shared with us, are never among them.
CLIENT_ALGORITHMS: Final = ("ES256", "PS256", "RS256")
#: Members that say what signs, by us or by the client.
SIGNING_MEMBERS: Final = (
    *("id_token_signed_response_alg", "userinfo_signed_response_alg", "authorization_signed_response_alg"),
    *("introspection_signed_response_alg", "token_endpoint_auth_signing_alg", "request_object_signing_alg"),
    "backchannel_authentication_request_signing_alg",
)


def algorithms_of(client: Client, registered: str | None = None) -> list[str]:
    """What a client may sign with: the one it ``registered``, else every one (FAPI 2.0 §5.4.1: no RS256)."""
    if registered is not None:
        return [registered]
    return [alg for alg in CLIENT_ALGORITHMS if alg != "RS256" or client.profile is not Profile.FAPI2]


@dataclass(frozen=True, slots=True)
class Switch:
    """One difference: its value in each profile, what it does, and where that is known from."""

    name: str
    psc: SwitchValue
    baseline: SwitchValue
    fapi2: SwitchValue
    meaning: str
    source: str


SWITCHES: Final[tuple[Switch, ...]] = (
    Switch(
        "pkce_required",
        False,
        True,
        True,
        "refuse an authorization request without code_challenge",
        "PSC accepts, does not demand; RFC 9700 §2.1.1",
    ),
    Switch("par_required", False, False, True, "refuse an authorization request that was not pushed", "FAPI 2.0 §5.3.2.2; RFC 9126 §5"),
    Switch("code_seconds", 60, 60, 60, "life of an authorization code", "Keycloak's default; FAPI 2.0 §5.3.2.1 (at most 60)"),
    Switch("access_token_seconds", 120, 120, 120, "life of an access token", "ANS, guide «sécurisation transport»: 2 minutes"),
    Switch("refresh_token_seconds", 1800, 1800, 1800, "life of a refresh token without use", "same guide: 30 minutes"),
    Switch(
        "refresh_repeat_seconds",
        10,
        10,
        10,
        "for how long a refresh that is asked again in the same way gets the same answer",
        "RFC 9700 §4.14.2; lost answers and two tabs at once",
    ),
    Switch(
        "refresh_rotation",
        True,
        True,
        False,
        "every refresh gives another refresh token; without, the same one goes on, and each use prolongs it",
        "RFC 9700 §4.14.2; FAPI 2.0 §5.3.2.1 (no rotation); what PSC does is not known, Keycloak lets tokens be used again",
    ),
    Switch("keycloak_subject", True, False, False, "sub is f:<storage uuid>:<national id>", "tokens and userinfo of PSC"),
    Switch(
        "keycloak_claims",
        True,
        False,
        False,
        "typ, azp, session_state, authMode, otherIds in tokens; the nonce in those of a refresh too",
        "decoded tokens of PSC",
    ),
    Switch("keycloak_token_response", True, False, False, "refresh_expires_in, not-before-policy, session_state", "token responses of PSC"),
    Switch(
        "keycloak_introspection",
        True,
        False,
        False,
        "typ, azp, preferred_username, SubjectNameID when introspected",
        "ANS, page introspection",
    ),
    Switch(
        "open_introspection",
        True,
        False,
        False,
        "clients that have it are told of each other's tokens; without, a token is its client's and its resource servers' business alone",
        "ANS: interfaces introspect the tokens of the services that call them; RFC 7662 §4, RFC 9701 §5",
    ),
    Switch(
        "session_state_parameter",
        "keycloak",
        "salted",
        "none",
        "session_state in the authorization response: the session's identifier (keycloak), a salted hash (salted), or none",
        "Keycloak, and clients of PSC receive it; OpenID Connect Session Management §2",
    ),
    Switch(
        "logout_state_returned",
        True,
        True,
        True,
        "give state back after a logout; without, as Keycloak did for a while",
        "RP-Initiated Logout §3; ANS's plugin for Keycloak has an option for its absence (KEYCLOAK-7209)",
    ),
    Switch("psc_userinfo", True, False, False, "scope_all gives the whole tree of the professional", "userinfo samples of ANS"),
    Switch(
        "acr_told",
        "reached",
        "reached",
        "reached",
        "the acr that tokens tell: the level reached, the one requested (echo), always eidas1, eidas2 or eidas3, or absent",
        "PSC: eidas2 for a client that asked eidas1 (ANS, keycloak-prosanteconnect issue 43), once missing (issue 6)",
    ),
    Switch(
        "claims_left_out",
        "",
        "",
        "",
        "names of claims, at any depth, that tokens, userinfo and introspection lack",
        "userinfo of PSC: keys absent in older or smaller answers",
    ),
    Switch(
        "claims_emptied",
        "",
        "",
        "",
        "names of claims, at any depth, that are there without a value: an empty text or an empty list",
        "userinfo of PSC: missing values are empty texts; a professional without exercice",
    ),
    Switch(
        "claims_added",
        "",
        "",
        "",
        "names that nobody knows, as claims with a text at every depth: a service must pass over them",
        "userinfo of PSC: new keys may appear (ANS, test «ChampsAjoute»)",
    ),
    Switch(
        "id_token_scope", True, False, False, "scope in the ID token", "ID token of PSC, September 2026 (keycloak-prosanteconnect issue 43)"
    ),
    Switch(
        "auth_level",
        "1",
        "",
        "",
        "auth_level in the ID token: this text, whatever the login was (empty: no such claim)",
        "same ID token, of a login with eidas2 by card: 1; its meaning is not published",
    ),
    Switch(
        "id_token_names",
        False,
        False,
        False,
        "SubjectNameID, name, given_name, family_name and email_verified in the ID token, as far as the scope gives them",
        "ID token of ANS's realm for interfaces; whether PSC's own has them is not published",
    ),
    Switch(
        "scope_told_besides",
        "",
        "",
        "",
        "scope values that tokens, answers and introspection name though nobody asked: they give nothing",
        "PSC: «openid profile scope_all identity» for openid scope_all (2023), «openid ciba» (tests of ANS)",
    ),
    Switch(
        "keycloak_handles",
        False,
        False,
        False,
        "refresh_token and auth_req_id have the length and form of Keycloak's JWTs; they are as opaque as without",
        "refresh token of ANS's realm for interfaces (HS256); ANS, page CIBA (auth_req_id); that PSC's own is one is not published",
    ),
    Switch("userinfo_acr", "", "", "", "least level of the login that userinfo is released for (empty: any)", "RFC 9470 §3"),
    Switch("userinfo_max_age_seconds", 86_400, 86_400, 86_400, "greatest age of the login that userinfo is released for", "RFC 9470 §3"),
    Switch("access_token_type", "JWT", "at+jwt", "at+jwt", "typ header of an access token", "decoded tokens of PSC; RFC 9068 §2.1"),
    Switch(
        "assertion_audience",
        "legacy",
        "issuer",
        "issuer",
        "aud of a client assertion: issuer alone, or also the token endpoint",
        "RFC 7523 §3; RFC 10070",
    ),
    Switch(
        "certificate_confirmation",
        "rfc8705",
        "rfc8705",
        "rfc8705",
        "x5t#S256 of a bound token: rfc8705, or ans (base64 of the hexadecimal text)",
        "RFC 8705 §3.1; samples of ANS, guide «sécurisation transport»",
    ),
    Switch("dpop_nonce_required", False, False, True, "a DPoP proof must hold a nonce of ours", "RFC 9449 §8, §9"),
    Switch("backchannel_seconds", 120, 120, 120, "life of a backchannel login (CIBA), and the most one may ask for", "tests of ANS: 120 s"),
    Switch("backchannel_interval_seconds", 5, 5, 5, "least time between two polls of a backchannel login", "tests of ANS; CIBA §7.3"),
    Switch("binding_message_required", True, True, True, "refuse a backchannel login without binding_message", "FAPI-CIBA §5.2.2"),
    Switch(
        "unknown_user_id_shown",
        False,
        False,
        False,
        "answer unknown_user_id for someone nobody knows, instead of letting the request wait in vain",
        "CIBA §13; not told of PSC",
    ),
    Switch("exchanged_token_seconds", 60, 60, 60, "longest life of a token got by exchange", "ANS, guide «sécurisation transport»: 60 s"),
    Switch("channel_parameter", True, False, False, "read channel (CARD or MOBILE) in a backchannel login", "ANS, page CIBA"),
)


#: The values of switches that have no others.
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "userinfo_acr": ("", "eidas1", "eidas2", "eidas3"),
    "acr_told": ("reached", "requested", "eidas1", "eidas2", "eidas3", "absent"),
    "access_token_type": ("JWT", "at+jwt"),
    "assertion_audience": ("legacy", "issuer"),
    "session_state_parameter": ("none", "keycloak", "salted"),
    "certificate_confirmation": ("rfc8705", "ans"),
}
_FAPI2_CODE_SECONDS: Final = 60
#: The most that a number of seconds may be: a slip of the keyboard is no life of a token.
_MOST_SECONDS: Final[Mapping[str, int]] = {
    "code_seconds": 600,  # RFC 6749 §4.1.2
    "access_token_seconds": 86_400,
    "refresh_token_seconds": 366 * 86_400,
    "refresh_repeat_seconds": 300,
    "userinfo_max_age_seconds": 366 * 86_400,
    "backchannel_seconds": 3_600,
    "backchannel_interval_seconds": 300,
    "exchanged_token_seconds": 3_600,
}
#: Claims that a service cannot check a token without; no switch takes them away.
_NEEDED_CLAIMS: Final = frozenset(
    {"iss", "sub", "aud", "azp", "exp", "iat", "jti", "nonce", "at_hash", "typ", "sid", "session_state", "cnf", "act"}
    | {"active", "scope", "client_id", "authorization_details", "nbf", "events", "may_act"}
)
#: What may be told besides the scope: names of Pro Santé Connect's own metadata, none of which a resource server here lives by.
_TOLD_SCOPES: Final = frozenset(
    {"profile", "email", "address", "phone", "roles", "web-origins", "microprofile-jwt", "acr", "basic", "identity", "ciba"}
    | {"rpps", "referentiel", "interop", "scope_1", "scope_2", "eidas1", "eidas2"}
)
#: Switches that tell a client something else than what is so.
_UNTRUE: Final = ("acr_told", "claims_left_out", "claims_emptied", "claims_added", "auth_level", "scope_told_besides")
_CLAIM_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_MAX_CLAIMS_ADDED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The switches as they stand for one client."""

    pkce_required: bool
    par_required: bool
    code_seconds: int
    access_token_seconds: int
    refresh_token_seconds: int
    refresh_repeat_seconds: int
    refresh_rotation: bool
    keycloak_subject: bool
    keycloak_claims: bool
    keycloak_token_response: bool
    keycloak_introspection: bool
    open_introspection: bool
    session_state_parameter: str
    logout_state_returned: bool
    psc_userinfo: bool
    acr_told: str
    claims_left_out: str
    claims_emptied: str
    claims_added: str
    id_token_scope: bool
    auth_level: str
    id_token_names: bool
    scope_told_besides: str
    keycloak_handles: bool
    userinfo_acr: str
    userinfo_max_age_seconds: int
    access_token_type: str
    assertion_audience: str
    certificate_confirmation: str
    dpop_nonce_required: bool
    backchannel_seconds: int
    backchannel_interval_seconds: int
    binding_message_required: bool
    unknown_user_id_shown: bool
    exchanged_token_seconds: int
    channel_parameter: bool

    @property
    def alters_claims(self) -> bool:
        """Whether a client is told anything else than what is so (:mod:`idp.tokens.told`)."""
        return self.acr_told != "reached" or bool(self.claims_left_out or self.claims_emptied or self.claims_added)

    @property
    def code_lifetime(self) -> timedelta:
        """Life of an authorization code."""
        return timedelta(seconds=self.code_seconds)

    @property
    def access_token_lifetime(self) -> timedelta:
        """Life of an access token."""
        return timedelta(seconds=self.access_token_seconds)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        """Life of a refresh token without use."""
        return timedelta(seconds=self.refresh_token_seconds)


def rules_of(client: Client) -> Rules:
    """The rules of a client; raises ValueError for an override that :func:`check_quirks` would name."""
    rules = _profile_rules(client.profile)
    return replace(rules, **client.quirks) if client.quirks else rules  # type: ignore[arg-type]  # types are checked on registration


@cache
def _profile_rules(profile: Profile) -> Rules:
    return Rules(**{switch.name: getattr(switch, profile.value) for switch in SWITCHES})


def check_quirks(client: Client) -> None:
    """Raise ValueError, naming the member, for an override that no switch knows, has another type, or weakens ``fapi2``."""
    known = {field.name: switch for field, switch in zip(fields(Rules), SWITCHES, strict=True)}
    for name, value in client.quirks.items():
        switch = known.get(name)
        if switch is None:
            raise ValueError(f"client {client.client_id}: quirks.{name} is not a switch; known ones are {', '.join(known)}")
        expected = type(switch.baseline)
        if type(value) is not expected:
            raise ValueError(f"client {client.client_id}: quirks.{name} must be of type {expected.__name__}, not {value!r}")
        if value not in _CHOICES.get(name, (value,)):
            raise ValueError(f"client {client.client_id}: quirks.{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
        if expected is int and not 0 < int(value) <= _MOST_SECONDS[name]:
            raise ValueError(f"client {client.client_id}: quirks.{name} must be a number of seconds from 1 to {_MOST_SECONDS[name]}")
        _check_safe(client, name, value)


def _check_safe(client: Client, name: str, value: SwitchValue) -> None:
    """Of the values that a switch takes, those that would leave this client without what protects it."""
    where = f"client {client.client_id}: quirks.{name}"
    if name == "pkce_required" and value is False and client.profile is not Profile.PSC:
        raise ValueError(f"{where} cannot be switched off in profile {client.profile}")
    if name == "par_required" and value is False and client.profile is Profile.FAPI2:
        raise ValueError(f"{where} cannot be switched off in profile {client.profile}")
    if name == "code_seconds" and int(value) > _FAPI2_CODE_SECONDS and client.profile is Profile.FAPI2:
        raise ValueError(f"{where} may be {_FAPI2_CODE_SECONDS} at most in profile {client.profile} (FAPI 2.0 §5.3.2.1)")
    if name == "assertion_audience" and value != "issuer" and client.profile is Profile.FAPI2:
        raise ValueError(f"{where} must be issuer in profile {client.profile} (FAPI 2.0 §5.3.2.1)")
    if name == "refresh_rotation" and value is False and client.token_endpoint_auth_method == "none":
        raise ValueError(f"{where} cannot be switched off for a public client (RFC 9700 §4.14.2)")
    _check_told(client, name, value)


def _check_told(client: Client, name: str, value: SwitchValue) -> None:
    """Of the values of a switch that tells a client something else than what is so, those that would mislead more than a client."""
    where = f"client {client.client_id}: quirks.{name}"
    if name in _UNTRUE and client.profile is Profile.FAPI2:
        raise ValueError(f"{where} cannot be set in profile {client.profile}: such a client is told what is so")
    if name in {"claims_left_out", "claims_emptied", "claims_added"} and (needed := _NEEDED_CLAIMS & set(str(value).split())):
        raise ValueError(f"{where} names {min(needed)}, which a service cannot check a token without")
    if name == "claims_added":
        added = str(value).split()
        if len(added) > _MAX_CLAIMS_ADDED or not all(map(_CLAIM_NAME.fullmatch, added)):
            raise ValueError(f"{where} must be at most {_MAX_CLAIMS_ADDED} names of letters, digits and _, of 40 characters at most")
    if name == "scope_told_besides" and (strange := set(str(value).split()) - _TOLD_SCOPES):
        raise ValueError(f"{where} names {min(strange)!r}; it may name {', '.join(sorted(_TOLD_SCOPES))}")
    if name == "auth_level" and not re.fullmatch("[0-9a-z]{0,16}", str(value)):
        raise ValueError(f"{where} must be at most 16 digits and small letters")
