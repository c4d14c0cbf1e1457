"""What is kept of a refused request: values by allow-list, cut to a length; of everything secret, only that it was there.

A fact is a name and a text. ``state: given`` says that there was one. What identifies a person (``login_hint``, ``id_token_hint``) is
never more than given. Of a signed assertion its header and its addresses and times are kept, which prove nothing without the signature.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson

from idp.tokens.certificate import Certificate

#: Longest value kept, in characters.
MAX_LENGTH: Final = 500
#: Said of what was there and is not kept.
GIVEN: Final = "given"

_AUTHORIZATION: Final = (
    *("redirect_uri", "response_type", "response_mode", "scope", "code_challenge_method", "prompt", "max_age", "acr_values"),
    *("resource", "ui_locales"),
)
_AUTHORIZATION_GIVEN: Final = (
    *("state", "nonce", "request", "request_uri", "id_token_hint", "login_hint", "claims", "authorization_details", "dpop_jkt"),
)
_BACK_CHANNEL: Final = ("grant_type", "redirect_uri", "scope", "resource", "client_assertion_type", "audience", "channel", "acr_values")
_BACK_CHANNEL_GIVEN: Final = (
    "code",
    "refresh_token",
    "auth_req_id",
    "device_code",
    "subject_token",
    "actor_token",
    "request",
    "login_hint",
)
_JWT_TEXTS: Final = ("alg", "kid", "typ", "iss", "sub", "aud")
_JWT_TIMES: Final = ("exp", "iat", "nbf")
_MOST_DECODED: Final = 8192


def authorization_facts(parameters: Mapping[str, str], outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of an authorization request; ``outer``: the parameters beside a request object or a pushed request, if that is how it came."""
    facts = _kept(parameters, _AUTHORIZATION, _AUTHORIZATION_GIVEN)
    if challenge := parameters.get("code_challenge"):
        facts["code_challenge"] = f"{GIVEN}, {len(challenge)}"
    for name in ("request", "request_uri"):
        if name in (outer or {}):
            facts[name] = GIVEN
    signed = (outer or parameters).get("request")
    return facts | (jwt_facts("request", signed) if signed else {})


def back_channel_facts(form: Mapping[str, str], authorization: str, certificate: Certificate | None, *, proof: bool) -> dict[str, str]:
    """Of a request to the token endpoint and its like. ``authorization``: the header; ``proof``: whether a DPoP proof came along."""
    facts = _kept(form, _BACK_CHANNEL, _BACK_CHANNEL_GIVEN)
    facts["auth_method"] = " ".join(_methods(form, authorization, certificate)) or "none"
    if verifier := form.get("code_verifier"):
        facts["code_verifier"] = f"{GIVEN}, {len(verifier)}"
    if assertion := form.get("client_assertion"):
        facts |= jwt_facts("client_assertion", assertion)
    if certificate is not None:
        facts["certificate.thumbprint"] = certificate.thumbprint("rfc8705")
        facts["certificate.subject"] = _cut(certificate.x509.subject.rfc4514_string())
        facts["certificate.not_after"] = certificate.x509.not_valid_after_utc.isoformat()
        facts["certificate.verified"] = "yes" if certificate.verified else "no"
    if proof:
        facts["dpop"] = GIVEN
    return facts


def logout_facts(parameters: Mapping[str, str]) -> dict[str, str]:
    """Of a logout request."""
    return _kept(parameters, ("post_logout_redirect_uri", "client_id"), ("id_token_hint", "state"))


def named_client(form: Mapping[str, str], authorization: str) -> str | None:
    """The ``client_id`` that a request to the back channel claims, whichever way it does; nothing of it is proved."""
    if authorization.lower().startswith("basic "):
        try:
            decoded = base64.b64decode(authorization[6:].strip(), validate=True).decode("utf-8")
        except ValueError:  # not base64, not ASCII, or not UTF-8
            return None
        return unquote_plus(decoded.partition(":")[0]) or None
    if assertion := form.get("client_assertion"):
        return jwt_facts("", assertion).get(".sub") or form.get("client_id")
    return form.get("client_id")


def jwt_facts(prefix: str, token: str) -> dict[str, str]:
    """Header, addresses and times of a compact JWT, unverified; a text that is none gives one fact that says so."""
    header, _, rest = token[:_MOST_DECODED].partition(".")
    members = {**_decoded(header), **_decoded(rest.partition(".")[0])}
    if not members:
        return {f"{prefix}.unreadable": "yes"}
    facts = {f"{prefix}.{name}": _cut(_text(members[name])) for name in _JWT_TEXTS if name in members}
    for name in _JWT_TIMES:
        value = members.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
            facts[f"{prefix}.{name}"] = str(int(value))
        elif name in members:
            facts[f"{prefix}.{name}"] = "not a number"
    return facts | {f"{prefix}.jti": GIVEN for name in ("jti",) if members.get(name)}


def seconds_from(facts: Mapping[str, str], name: str, at: datetime) -> int | None:
    """How long after ``at`` the time of a fact is, in seconds; None where there is none."""
    value = facts.get(name, "")
    return int(value) - int(at.timestamp()) if value.lstrip("-").isdigit() else None


def _kept(sent: Mapping[str, str], valued: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str]:
    return {name: _cut(sent[name]) for name in valued if name in sent} | {name: GIVEN for name in given if name in sent}


def _methods(form: Mapping[str, str], authorization: str, certificate: Certificate | None) -> list[str]:
    shown = {
        "client_secret_basic": authorization.lower().startswith("basic"),
        "client_secret_post": "client_secret" in form,
        "private_key_jwt": "client_assertion" in form,
        "certificate": certificate is not None,
    }
    return [name for name, there in shown.items() if there]


def _decoded(part: str) -> dict[str, Any]:
    try:
        members = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _cut(value: str) -> str:
    return value if len(value) <= MAX_LENGTH else value[:MAX_LENGTH] + "…"
