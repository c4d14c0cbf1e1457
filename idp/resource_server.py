"""What an interface checks of an access token, by itself: for the services behind this provider, and for ours.

Stands alone: it imports nothing of the provider, only PyJWT, and does no input or output. The interface fetches the provider's
JWK set when it sees a ``kid`` it does not know, gives the present instant, and answers with the status and the
``WWW-Authenticate`` of a :class:`Refused`. A token that must count no more the moment it is revoked is introspected instead (RFC 7662).

Sources: RFC 9068 §4, RFC 6750 §3, RFC 8705 §3, RFC 9449 §7, RFC 9470 §3; ANS, guide «sécurisation transport» §8.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

_TYPES: Final = ("at+jwt", "application/at+jwt", "jwt")
_PROOF_ALGORITHMS: Final = ("ES256", "PS256")
_LEEWAY: Final = timedelta(seconds=10)
_PROOF_WINDOW: Final = timedelta(seconds=60)
_MAX_LENGTH: Final = 8192
#: Scheme, host, port and path (RFC 3986 §3), without a user's name (RFC 9110 §4.2.4).
_ADDRESS: Final = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([0-9]*))?((?:/(?:[a-z0-9._~:@!$&'()*+,;=-]|%[0-9a-f]{2})*)*)", re.IGNORECASE
)
_TRIPLET: Final = re.compile(r"%(..)")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}


class Refused(Exception):
    """``status`` and ``challenge`` (the value of ``WWW-Authenticate``) of the answer; the text is for the interface's log."""

    def __init__(self, reason: str, *, status: int, challenge: str) -> None:
        super().__init__(reason)
        self.status = status
        self.challenge = challenge


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface and the provider it believes. ``audience``: its own name; None for a provider that names none, as PSC does."""

    issuer: str
    audience: str | None
    algorithms: tuple[str, ...] = ("ES256", "PS256", "RS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one operation needs: scope values, one of some levels (best first), a login not older than ``max_age``."""

    scope: frozenset[str] = frozenset()
    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What the request shows: scheme and token of ``Authorization``, and what proves its sender.

    ``certificate``: DER of the TLS client certificate, from the connection or a trusted proxy. ``seen_before`` remembers a text for two
    minutes and says whether it was there.
    """

    scheme: str
    token: str
    method: str
    url: str
    certificate: bytes | None = None
    proof: str | None = None
    seen_before: Callable[[str], bool] = field(default=lambda key: False)


def check(presented: Presented, interface: Interface, keys: jwt.PyJWKSet, *, needs: Needs, now: datetime) -> Mapping[str, Any]:
    """The claims of a token that counts for this operation; raises :class:`Refused` for every other."""
    claims = _verified(presented, interface, keys)
    fault = _time_fault(claims, now) or _sender_fault(presented, claims.get("cnf"), now)
    if fault:
        raise _refused(presented, fault, "invalid_token")
    granted = frozenset(str(claims.get("scope", "")).split())
    if not needs.scope <= granted:
        wanted = " ".join(sorted(needs.scope))
        raise _refused(presented, f"the token lacks {min(needs.scope - granted)}", "insufficient_scope", 403, {"scope": wanted})
    if not _is_login_enough(claims, needs, now):
        asked = {"acr_values": " ".join(needs.acr_values)} if needs.acr_values else {}
        if needs.max_age is not None:
            asked["max_age"] = str(int(needs.max_age.total_seconds()))
        raise _refused(presented, "another login is needed", "insufficient_user_authentication", parameters=asked)
    return claims


def fits_certificate(thumbprint: str, certificate: bytes) -> bool:
    """Whether ``cnf["x5t#S256"]`` is of this certificate (DER): as RFC 8705 §3.1 writes it, or as ANS's samples do.

    RFC 8705: base64url of the 32 bytes of the SHA-256. ANS: base64 of the hexadecimal text of the same, in small or capital letters.
    """
    digest = hashlib.sha256(certificate)
    forms = (
        _base64url(digest.digest()),
        base64.b64encode(digest.hexdigest().encode()).decode(),
        base64.b64encode(digest.hexdigest().upper().encode()).decode(),
    )
    return any([hmac.compare_digest(thumbprint.encode(), form.encode()) for form in forms])  # noqa: C419 (as long for every form)


def _verified(presented: Presented, interface: Interface, keys: jwt.PyJWKSet) -> Mapping[str, Any]:
    try:
        if len(presented.token) > _MAX_LENGTH:
            raise jwt.InvalidTokenError("it is too long")
        header = jwt.get_unverified_header(presented.token)
        if str(header.get("typ", "jwt")).lower() not in _TYPES or "crit" in header:
            raise jwt.InvalidTokenError("it is not of the type of an access token")
        key = next((key for key in keys.keys if key.key_id == header.get("kid")), None)
        if key is None or header.get("alg") != key.algorithm_name:
            raise jwt.InvalidTokenError("no key of the provider has its kid and alg")
        checks = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": interface.audience is not None}
        claims: dict[str, Any] = jwt.decode(
            presented.token,
            key,
            algorithms=list(interface.algorithms),
            audience=interface.audience,
            issuer=interface.issuer,
            options={**checks, "require": ["exp", "iss", "sub"]},  # type: ignore[arg-type]  # a TypedDict with every member optional
        )
    except jwt.InvalidTokenError as error:
        raise _refused(presented, f"{type(error).__name__}: {error}", "invalid_token") from error
    # An ID token is signed with the same keys, and is no key to anything.
    if "at_hash" in claims or claims.get("typ") == "ID" or not (claims.get("client_id") or claims.get("azp")):
        raise _refused(presented, "it is no access token", "invalid_token")
    return claims


def _time_fault(claims: Mapping[str, Any], now: datetime) -> str:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"{name} is no number"
    if now.timestamp() >= claims["exp"] + _LEEWAY.total_seconds():
        return "it has expired"
    begins = max(claims.get("nbf") or 0, claims.get("iat") or 0)
    return "it is not valid yet" if now.timestamp() < begins - _LEEWAY.total_seconds() else ""


def _is_login_enough(claims: Mapping[str, Any], needs: Needs, now: datetime) -> bool:
    if needs.acr_values and claims.get("acr") not in needs.acr_values:
        return False
    at = claims.get("auth_time")
    if needs.max_age is None:
        return True
    return isinstance(at, int | float) and now.timestamp() - at <= needs.max_age.total_seconds()


def _sender_fault(presented: Presented, confirmation: object, now: datetime) -> str:
    """RFC 7800: what the token is bound to must be there."""
    bound = confirmation if isinstance(confirmation, dict) else {}
    if confirmation is not None and not bound.keys() & {"x5t#S256", "jkt"}:
        return "it is bound to something that is not understood here"
    thumbprint, jkt = bound.get("x5t#S256"), bound.get("jkt")
    if thumbprint is not None and (presented.certificate is None or not fits_certificate(str(thumbprint), presented.certificate)):
        return "it is bound to another certificate, or the certificate is missing"
    if (jkt is not None) != (presented.scheme.lower() == "dpop"):
        return "the scheme is not the one that the token needs"
    return _proof_fault(presented, str(jkt), now) if jkt is not None else ""


def _proof_fault(presented: Presented, jkt: str, now: datetime) -> str:
    """RFC 9449 §4.3: signed with the very key, for this request and this token, now, and once."""
    proof = presented.proof or ""
    try:
        header = jwt.get_unverified_header(proof)
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") not in _PROOF_ALGORITHMS or not isinstance(jwk, dict):
            return "the proof is not of its type"
        if "d" in jwk or not hmac.compare_digest(_thumbprint(jwk).encode(), jkt.encode()):
            return "the proof is made with another key"
        checks = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        said = jwt.decode(proof, jwt.PyJWK(jwk, header["alg"]), [header["alg"]], options=checks)  # type: ignore[arg-type]
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return "the proof cannot be read, or its signature does not hold"
    if said.get("htm") != presented.method or not is_address_of(str(said.get("htu", "")), (presented.url.partition("?")[0],)):
        return "the proof is made for another request"
    if said.get("ath") != _base64url(hashlib.sha256(presented.token.encode()).digest()):
        return "the proof is made for another token"
    at, jti = said.get("iat"), said.get("jti")
    if not isinstance(at, int | float) or abs(now.timestamp() - at) > _PROOF_WINDOW.total_seconds():
        return "the proof is not of now"
    if not isinstance(jti, str) or not jti or presented.seen_before(f"{jkt}:{hashlib.sha256(jti.encode()).hexdigest()}"):
        return "the proof was used before"
    return ""


def is_address_of(said: str, names: Collection[str]) -> bool:
    """Whether a spelling, whatever its query and fragment, is that of one of these addresses (RFC 9449 §4.3, 9)."""
    bare = said.partition("#")[0].partition("?")[0]
    if bare in names:
        return True
    normal = normalised(bare)
    return normal is not None and any(normal == normalised(name) for name in names)


def normalised(address: str) -> str | None:
    """An ``http`` or ``https`` address without query, written as RFC 3986 §6.2.2 and §6.2.3 do; None for anything else."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return None
    scheme, port = parts[1].lower(), parts[3] or ""
    shown = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    return f"{scheme}://{parts[2].lower()}{shown}{_without_dots(_TRIPLET.sub(_decoded, parts[4]))}"


def _decoded(triplet: re.Match[str]) -> str:
    """What needs no escape stands for itself, the others in capitals."""
    character = chr(int(triplet[1], 16))
    return character if _UNRESERVED.fullmatch(character) else triplet[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4."""
    segments, kept = path.split("/")[1:], list[str]()
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join([*kept, ""] if segments[-1:] in (["."], [".."]) else kept)


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 §3."""
    names = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in names}, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _refused(presented: Presented, reason: str, error: str, status: int = 401, parameters: Mapping[str, str] | None = None) -> Refused:
    scheme = f'DPoP algs="{" ".join(_PROOF_ALGORITHMS)}"' if presented.scheme.lower() == "dpop" else "Bearer"
    said = ", ".join(f'{name}="{value}"' for name, value in {"error": error, **(parameters or {})}.items())
    return Refused(reason, status=status, challenge=f"{scheme}{',' if ' ' in scheme else ''} {said}")
