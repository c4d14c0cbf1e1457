"""A refused request held against its client's registration as it stands now: one row for each thing that counts, the faulty ones marked.

The registration may have been mended since: then no row is faulty, and the page says so. Each row names the rule it goes by
(:data:`SOURCES`); what to change is told by the pages, in the reader's language.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from idp.authorization.check_redirect_uri import is_registered
from idp.authorization.check_response_type import RESPONSE_TYPES
from idp.authorization.request import RESPONSE_MODES
from idp.client_auth.private_key_jwt import LEEWAY, MAX_LIFETIME
from idp.explanation.difference import Marked, mark, nearest
from idp.explanation.facts import GIVEN, seconds_from
from idp.model import Client, Refusal
from idp.profiles import algorithms_of, rules_of
from idp.tokens.certificate import NAME_MEMBERS, registered_certificates, thumbprint_of

#: Where each rule comes from. Every rule has a text of the pages (``developers.rule``).
SOURCES: Final[Mapping[str, str]] = {
    "disabled": "OpenID Connect Registration §2",
    "grant_types": "RFC 7591 §2, RFC 6749 §5.2",
    "redirect_uri": "RFC 9700 §2.1, OpenID Connect Core §3.1.2.1",
    "token_redirect_uri": "RFC 6749 §4.1.3",
    "post_logout_redirect_uri": "OpenID Connect RP-Initiated Logout §3",
    "response_type": "RFC 9700 §2.1.2, RFC 6749 §3.1.1",
    "response_mode": "OAuth 2.0 Multiple Response Type Encoding §2.1, JARM §2.3",
    "scope": "RFC 6749 §3.3",
    "scope_openid": "OpenID Connect Core §3.1.2.1",
    "resource": "RFC 8707 §2",
    "pkce": "RFC 7636 §4.3, RFC 9700 §2.1.1",
    "code_verifier": "RFC 7636 §4.1, §4.6",
    "code_used": "RFC 6749 §4.1.2, RFC 9700 §4.5",
    "code_over": "RFC 6749 §4.1.2",
    "par": "RFC 9126 §5, §6",
    "signed_request": "RFC 9101 §10.5",
    "auth_method": "RFC 6749 §2.3, RFC 7591 §2",
    "alg": "RFC 7518 §3.1, RFC 8725 §3.1",
    "kid": "RFC 7515 §4.1.4, RFC 7517 §5",
    "issuer_of_jwt": "RFC 7523 §3, RFC 9101 §4",
    "audience": "RFC 7523 §3, RFC 10070, RFC 9101 §4",
    "jti": "RFC 7523 §3",
    "clock_behind": "RFC 7519 §4.1.4",
    "clock_ahead": "RFC 7519 §4.1.5, §4.1.6",
    "too_long": "RFC 7523 §3",
    "certificate": "RFC 8705 §2",
    "certificate_name": "RFC 8705 §2.1.2",
    "dpop": "RFC 9449 §5.2",
}
_PLACES: Final = {"redirect_uri", "token_redirect_uri", "post_logout_redirect_uri"}
_CERTIFICATE_METHODS: Final = ("tls_client_auth", "self_signed_tls_client_auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing: what was sent (None: nothing), what is registered or demanded, and the rule that it breaks (empty: it holds)."""

    name: str
    sent: str | None
    expected: tuple[str, ...]
    rule: str = ""
    #: Words of ``sent`` that are at fault, where it is a list of words.
    excess: tuple[str, ...] = ()
    #: Of an address: what was sent and the nearest registered one, each marked where they part.
    marks: tuple[Marked, Marked] | None = None

    @property
    def words(self) -> list[str]:
        """What was sent, as a list of words."""
        return (self.sent or "").split()

    @property
    def source(self) -> str:
        """Where the rule comes from."""
        return SOURCES.get(self.rule, "")


def compare(refusal: Refusal, client: Client, issuer: str) -> list[Row]:
    """The rows of a refusal, faulty ones first. ``client``: with its keys of now, where it publishes them."""
    facts = refusal.facts
    rows = [Row(name="disabled", sent=None, expected=("true",), rule="disabled")] if client.disabled else []
    match refusal.endpoint:
        case "authorization" | "pushed_authorization":
            rows += _authorization(facts, client)
            rows += _jwt("request", refusal, client, issuer)
        case "logout":
            rows += _place("post_logout_redirect_uri", facts, client.post_logout_redirect_uris, "post_logout_redirect_uri")
    if refusal.endpoint not in ("authorization", "logout"):
        rows += _authentication(facts, client)
        rows += _jwt("client_assertion", refusal, client, issuer)
        rows += _certificate(facts, client)
        rows += _back_channel(refusal, client)
    return sorted(rows, key=lambda row: not row.rule)


def _authorization(facts: Mapping[str, str], client: Client) -> Iterator[Row]:
    sent = facts.get("redirect_uri")
    known = (*client.redirect_uris, sent) if sent is not None and is_registered(client, sent) else client.redirect_uris
    yield from _place("redirect_uri", facts, known, "redirect_uri", needed=True)
    if "authorization_code" not in client.grant_types:
        yield Row(name="grant_types", sent="authorization_code", expected=client.grant_types, rule="grant_types")
    yield _one_of("response_type", facts, RESPONSE_TYPES, needed=True)
    if "response_mode" in facts:
        yield _one_of("response_mode", facts, tuple(RESPONSE_MODES))
    yield _scope(facts, client, openid=True)
    if "resource" in facts:
        yield _words("resource", facts["resource"], client.resources, "resource")
    rules = rules_of(client)
    required = rules.pkce_required or client.token_endpoint_auth_method == "none"
    if required or "code_challenge" in facts or "code_challenge_method" in facts:
        sent = " ".join(facts[name] for name in ("code_challenge_method", "code_challenge") if name in facts) or None
        sound = sent == f"S256 {GIVEN}, 43"
        yield Row(name="code_challenge", sent=sent, expected=(f"S256 {GIVEN}, 43",), rule="" if sound else "pkce")
    if client.require_pushed_authorization_requests or rules.par_required:
        missing = "request_uri" not in facts
        yield Row(name="request_uri", sent=facts.get("request_uri"), expected=(GIVEN,), rule="par" if missing else "")
    if client.require_signed_request_object:
        missing = "request" not in facts and "request_uri" not in facts
        yield Row(name="request", sent=facts.get("request"), expected=(GIVEN,), rule="signed_request" if missing else "")


def _place(name: str, facts: Mapping[str, str], registered: Sequence[str], rule: str, *, needed: bool = False) -> Iterator[Row]:
    sent = facts.get(name)
    if sent is None:
        if needed:
            yield Row(name=name, sent=None, expected=tuple(registered), rule=rule)
        return
    if sent in registered:
        yield Row(name=name, sent=sent, expected=(sent,))
        return
    meant = nearest(sent, registered)
    marks = (mark(sent, meant), mark(meant, sent)) if meant is not None else None
    yield Row(name=name, sent=sent, expected=tuple(registered), rule=rule, marks=marks)


def _one_of(name: str, facts: Mapping[str, str], allowed: tuple[str, ...], *, needed: bool = False) -> Row:
    sent = facts.get(name)
    fault = sent not in allowed if sent is not None else needed
    return Row(name=name, sent=sent, expected=allowed, rule=name if fault else "")


def _scope(facts: Mapping[str, str], client: Client, *, openid: bool) -> Row:
    sent = facts.get("scope")
    if openid and "openid" not in (sent or "").split():
        return Row(name="scope", sent=sent, expected=tuple(sorted(client.scope)), rule="scope_openid")
    return _words("scope", sent or "", client.scope, "scope")


def _words(name: str, sent: str, allowed: Sequence[str] | frozenset[str], rule: str) -> Row:
    excess = tuple(word for word in sent.split() if word not in allowed)
    return Row(name=name, sent=sent, expected=tuple(sorted(allowed)), rule=rule if excess else "", excess=excess)


def _authentication(facts: Mapping[str, str], client: Client) -> Iterator[Row]:
    registered, sent = client.token_endpoint_auth_method, facts.get("auth_method", "none")
    looked_for = "certificate" if registered in _CERTIFICATE_METHODS else registered
    # A certificate beside another proof is what binds tokens (RFC 8705 §3), and no second method.
    others = [name for name in sent.split() if name != "certificate"] or sent.split()
    fault = looked_for not in sent.split() if looked_for == "certificate" else others not in ([looked_for], ["certificate", looked_for])
    if registered == "none" and sent == "certificate":
        fault = False
    yield Row(name="token_endpoint_auth_method", sent=sent, expected=(registered,), rule="auth_method" if fault else "")


def _jwt(prefix: str, refusal: Refusal, client: Client, issuer: str) -> Iterator[Row]:
    """The rows of a signed assertion or request object, if there was one."""
    facts = {name.removeprefix(f"{prefix}."): value for name, value in refusal.facts.items() if name.startswith(f"{prefix}.")}
    if not facts:
        return

    def row(name: str, expected: Sequence[str], rule: str, *, holds: bool) -> Row:
        return Row(name=f"{prefix}.{name}", sent=facts.get(name), expected=tuple(expected), rule="" if holds else rule)

    registered = client.request_object_signing_alg if prefix == "request" else client.token_endpoint_auth_signing_alg
    algorithms = algorithms_of(client, registered)
    yield row("alg", algorithms, "alg", holds=facts.get("alg") in algorithms)
    kids = _kids(client)
    yield row("kid", kids, "kid", holds=facts.get("kid") in kids or ("kid" not in facts and len(kids) < 2))
    for name in ("iss", "sub") if prefix == "client_assertion" else ("iss",):
        yield row(name, (client.client_id,), "issuer_of_jwt", holds=facts.get(name) == client.client_id)
    audiences = [issuer]
    if prefix == "client_assertion" and rules_of(client).assertion_audience == "legacy":
        audiences.append(f"{issuer}/protocol/openid-connect/token")
    yield row("aud", audiences, "audience", holds=facts.get("aud") in audiences)
    if prefix == "client_assertion":
        yield row("jti", (GIVEN,), "jti", holds="jti" in facts)
    yield from _times(prefix, refusal)


def _times(prefix: str, refusal: Refusal) -> Iterator[Row]:
    """How far the clocks are apart: seconds between each time of the assertion and ours when it came."""
    leeway, longest = int(LEEWAY.total_seconds()), int(MAX_LIFETIME.total_seconds())
    for name in ("exp", "iat", "nbf"):
        seconds = seconds_from(refusal.facts, f"{prefix}.{name}", refusal.at)
        if seconds is None:
            if name == "exp":
                sent = refusal.facts.get(f"{prefix}.exp")
                yield Row(name=f"{prefix}.exp", sent=sent, expected=(f"0 … {longest} s",), rule="clock_behind")
            continue
        if name == "exp":
            rule = "clock_behind" if seconds <= -leeway else "too_long" if seconds > longest + leeway else ""
            expected = f"0 … +{longest} s"
        else:
            rule, expected = ("clock_ahead" if seconds > leeway else ""), f"≤ +{leeway} s"
        yield Row(name=f"{prefix}.{name}", sent=f"{seconds:+d} s", expected=(expected,), rule=rule)


def _kids(client: Client) -> tuple[str, ...]:
    keys = client.jwks.get("keys") if client.jwks else None
    return tuple(str(key["kid"]) for key in keys if key.get("kid")) if isinstance(keys, list) else ()


def _certificate(facts: Mapping[str, str], client: Client) -> Iterator[Row]:
    bound = client.tls_client_certificate_bound_access_tokens
    if client.token_endpoint_auth_method not in _CERTIFICATE_METHODS and not bound:
        return
    sent = facts.get("certificate.thumbprint")
    if client.token_endpoint_auth_method == "self_signed_tls_client_auth":
        known = tuple(thumbprint_of(der) for der in registered_certificates(client.jwks))
        yield Row(name="x5t#S256", sent=sent, expected=known, rule="" if sent in known else "certificate")
    elif sent is None:
        yield Row(name="x5t#S256", sent=None, expected=(GIVEN,), rule="certificate")
    if client.token_endpoint_auth_method == "tls_client_auth" and sent is not None:
        verified = facts.get("certificate.verified")
        yield Row(name="certificate.verified", sent=verified, expected=("yes",), rule="" if verified == "yes" else "certificate")
        member = next((member for member in NAME_MEMBERS if getattr(client, member) is not None), NAME_MEMBERS[0])
        rule = "" if facts.get("certificate.name_fits") == "yes" else "certificate_name"
        yield Row(name=member, sent=facts.get("certificate.subject"), expected=(str(getattr(client, member)),), rule=rule)


def _back_channel(refusal: Refusal, client: Client) -> Iterator[Row]:
    facts = refusal.facts
    if refusal.endpoint == "token":
        sent = facts.get("grant_type")
        yield Row(name="grant_type", sent=sent, expected=client.grant_types, rule="" if sent in client.grant_types else "grant_types")
        if sent == "authorization_code":
            yield from _code(facts, client)
        if client.dpop_bound_access_tokens:
            yield Row(name="DPoP", sent=facts.get("dpop"), expected=(GIVEN,), rule="" if "dpop" in facts else "dpop")
    elif "scope" in facts and refusal.endpoint != "pushed_authorization":
        yield _scope(facts, client, openid=True)
    if "resource" in facts and refusal.endpoint != "pushed_authorization":
        yield _words("resource", facts["resource"], client.resources, "resource")


def _code(facts: Mapping[str, str], client: Client) -> Iterator[Row]:
    yield from _place("redirect_uri", facts, client.redirect_uris, "token_redirect_uri", needed=True)
    state = facts.get("code.state")
    if state is not None:
        yield Row(name="code", sent=state, expected=("live",), rule={"used": "code_used", "over": "code_over"}.get(state, ""))
    verifier = facts.get("code_verifier", "")
    length = verifier.rpartition(" ")[2]
    required = rules_of(client).pkce_required or client.token_endpoint_auth_method == "none"
    if required or verifier:
        sound = length.isdigit() and 43 <= int(length) <= 128
        yield Row(name="code_verifier", sent=verifier or None, expected=(f"{GIVEN}, 43 … 128",), rule="" if sound else "code_verifier")
