"""What is asked of a client by RFC 9700, by FAPI 2.0 and by Pro Santé Connect, and whether its registration meets it.

Each requirement says where it comes from, whom it concerns, and tells the reason of its verdict in words that name the member to change.
What the provider enforces for everybody is listed too, so that the list is whole. What only the service itself can show (that it checks
``state``, that its terms name Pro Santé Connect) is said to be the service's to show, never counted as met.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from idp.model import Client, Profile
from idp.profiles import SIGNING_MEMBERS, Rules, algorithms_of, rules_of

_ASYMMETRIC: Final = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Verdict(StrEnum):
    """How it stands. ``ADVISED``: a recommendation that is not followed. ``SERVICE``: only the service can show it."""

    MET = "met"
    NOT_MET = "not met"
    ADVISED = "advised"
    SERVICE = "the service's to show"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is judged, and on what provider."""

    client: Client
    issuer: str

    @property
    def rules(self) -> Rules:
        """The switches of its profile, with its own."""
        return rules_of(self.client)

    @property
    def public(self) -> bool:
        """Whether it cannot keep a secret."""
        return self.client.token_endpoint_auth_method == "none"

    @property
    def has_people(self) -> bool:
        """Whether people log in to it."""
        return "authorization_code" in self.client.grant_types

    @property
    def sender_constrained(self) -> bool:
        """Whether its tokens are of no use to a thief (RFC 8705, RFC 9449)."""
        bound = self.client.dpop_bound_access_tokens or self.client.tls_client_certificate_bound_access_tokens
        return bound or self.client.profile is Profile.FAPI2


#: Whether it is met, and why.
Judgement = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the list. ``must`` is false for a recommendation; ``judge`` None where only the service can show it."""

    source: str
    title: str
    judge: Callable[[Subject], Judgement] | None
    must: bool = True
    concerns: Callable[[Subject], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement with its verdict for one client."""

    requirement: Requirement
    verdict: Verdict
    reason: str


def _always(reason: str) -> Callable[[Subject], Judgement]:
    return lambda _: (True, reason)


def _redirects_are_safe(subject: Subject) -> Judgement:
    parts = [(uri, urlsplit(uri)) for uri in subject.client.redirect_uris]
    plain = [uri for uri, part in parts if part.scheme == "http" and part.hostname not in _LOOPBACK]
    return (
        not plain,
        f"redirect_uris: {plain[0]} is plain http" if plain else "every redirect_uri is https, an app's own scheme or loopback",
    )


def _redirects_are_https(subject: Subject) -> Judgement:
    other = [uri for uri in subject.client.redirect_uris if urlsplit(uri).scheme != "https"]
    return not other, f"redirect_uris: {other[0]} is not https" if other else "every redirect_uri is https"


def _no_localhost(subject: Subject) -> Judgement:
    named = [uri for uri in subject.client.redirect_uris if urlsplit(uri).hostname == "localhost"]
    return (
        not named,
        f"redirect_uris: {named[0]} can lead elsewhere; write 127.0.0.1" if named else "no redirect_uri rests on the name localhost",
    )


def _pkce(subject: Subject) -> Judgement:
    if subject.rules.pkce_required:
        return True, "a request without code_challenge is refused; S256 alone is accepted"
    return False, "quirks.pkce_required is off in this profile: set it to true once the service sends a code_challenge"


def _sender(subject: Subject) -> Judgement:
    if subject.sender_constrained:
        return True, "tokens are bound to a key of the client"
    return False, "set dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens"


def _asymmetric(subject: Subject) -> Judgement:
    method = subject.client.token_endpoint_auth_method
    return method in _ASYMMETRIC, f"token_endpoint_auth_method is {method}" + (
        "" if method in _ASYMMETRIC else f"; one of {', '.join(_ASYMMETRIC)} is safer"
    )


def _honest_level(subject: Subject) -> Judgement:
    told = subject.rules.acr_told
    return told in {"reached", "absent"}, f"quirks.acr_told is {told}" + (
        "" if told in {"reached", "absent"} else ": for a rehearsal only, since a weaker login passes for a stronger one"
    )


def _audience(subject: Subject) -> Judgement:
    if subject.client.resources or not subject.rules.keycloak_claims:
        return True, "access tokens name the servers they are for" + ("" if subject.client.resources else ": ourselves")
    return False, "access tokens have no aud while quirks.keycloak_claims is on; list resources for those that go to other servers"


def _tls(subject: Subject) -> Judgement:
    https = subject.issuer.startswith("https:")
    return https, "the issuer is https" if https else f"the issuer is {subject.issuer}: a development provider"


def _pushed(subject: Subject) -> Judgement:
    pushed = subject.rules.par_required or subject.client.require_pushed_authorization_requests
    return pushed, "only pushed requests are accepted" if pushed else "set require_pushed_authorization_requests"


def _confidential(subject: Subject) -> Judgement:
    return (
        not subject.public,
        "it proves itself by its own method" if not subject.public else "token_endpoint_auth_method is none: a public client",
    )


def _strong_algorithms(subject: Subject) -> Judgement:
    weak = [name for name in SIGNING_MEMBERS if getattr(subject.client, name) == "RS256"]
    if not weak and "RS256" in algorithms_of(subject.client, subject.client.token_endpoint_auth_signing_alg) and _assertions(subject):
        weak = ["token_endpoint_auth_signing_alg"]
    return not weak, f"{weak[0]}: RS256 is accepted; ES256 or PS256 is expected" if weak else "no RS256"


def _issuer_audience(subject: Subject) -> Judgement:
    strict = subject.rules.assertion_audience == "issuer"
    return strict, "aud of an assertion must be the issuer" if strict else "quirks.assertion_audience is legacy: set it to issuer"


def _code_life(subject: Subject) -> Judgement:
    seconds = subject.rules.code_seconds
    return seconds <= 60, f"a code lives {seconds} s" + ("" if seconds <= 60 else "; quirks.code_seconds may be 60 at most")


def _short_tokens(subject: Subject) -> Judgement:
    seconds = subject.rules.access_token_seconds
    return seconds <= 120, f"an access token lives {seconds} s" + (
        "" if seconds <= 120 else "; quirks.access_token_seconds is 120 at Pro Santé Connect"
    )


def _scope_all(subject: Subject) -> Judgement:
    asks = "scope_all" in subject.client.scope
    return asks, "scope_all is registered" if asks else "scope lacks scope_all: userinfo will not have the professional's record"


def _refresh(subject: Subject) -> Judgement:
    if subject.rules.refresh_rotation:
        return True, "every refresh token is rotated, a second use ends its family"
    if subject.sender_constrained or not subject.public:
        return True, "the same refresh token goes on, tied to the client's own proof"
    return False, "quirks.refresh_rotation is off for a public client: set it to true"


def _refreshes(subject: Subject) -> bool:
    return "refresh_token" in subject.client.grant_types


def _mutual(subject: Subject) -> Judgement:
    method = subject.client.token_endpoint_auth_method
    mutual = method in ("tls_client_auth", "self_signed_tls_client_auth")
    return mutual, f"token_endpoint_auth_method is {method}" + ("" if mutual else "; tls_client_auth is demanded there")


def _trusted(subject: Subject) -> bool:
    """Whether it is of the «Espace de confiance»: it exchanges the tokens of people for those of interfaces."""
    return bool(subject.client.exchange_subject_clients or subject.client.exchange_subject_issuers)


def _people(subject: Subject) -> bool:
    return subject.has_people


def _assertions(subject: Subject) -> bool:
    return subject.client.token_endpoint_auth_method == "private_key_jwt"


_RFC9700: Final = (
    Requirement("RFC 9700 §2.1", "redirect URIs are compared exactly", _always("enforced for every client"), concerns=_people),
    Requirement("RFC 9700 §2.1, §4.1.3", "no redirect to plain http", _redirects_are_safe, concerns=_people),
    Requirement("RFC 8252 §8.3", "loopback by address, not by name", _no_localhost, must=False, concerns=_people),
    Requirement("RFC 9700 §2.1.1", "PKCE: public clients", _pkce, concerns=lambda one: one.has_people and one.public),
    Requirement("RFC 9700 §2.1.1", "PKCE: confidential clients", _pkce, must=False, concerns=lambda one: one.has_people and not one.public),
    Requirement("RFC 9700 §2.1.1", "a verifier without challenge is refused", _always("enforced for every client"), concerns=_people),
    Requirement(
        "RFC 9700 §2.1.2", "no token from the authorization endpoint", _always("response_type code alone is offered"), concerns=_people
    ),
    Requirement("RFC 9700 §2.2.1", "sender-constrained access tokens", _sender, must=False),
    Requirement(
        "RFC 9700 §2.2.2",
        "refresh tokens of public clients are rotated or bound",
        _always("every refresh token is rotated, a second use ends its family"),
        concerns=lambda one: one.public and "refresh_token" in one.client.grant_types,
    ),
    Requirement("RFC 9700 §2.3", "access tokens are for named servers", _audience, must=False),
    Requirement("RFC 9700 §2.4", "no resource owner password grant", _always("not offered")),
    Requirement("RFC 9700 §2.5", "asymmetric client authentication", _asymmetric, must=False, concerns=lambda one: not one.public),
    Requirement("RFC 9700 §2.6", "metadata is published", _always("discovery says what is offered, and nothing else")),
    Requirement("RFC 9700 §2.6", "end-to-end TLS", _tls),
    Requirement("RFC 9700 §4.4.2.1", "mix-up: the answer names the issuer", _always("iss is in every answer (RFC 9207)"), concerns=_people),
    Requirement("RFC 9700 §4.2.4", "a code is short-lived and used once", _code_life, concerns=_people),
    Requirement("RFC 9700 §4.3.1", "a code in a history is worth nothing", _code_life, concerns=_people),
    Requirement("RFC 9700 §4.3.2", "access tokens stay out of addresses", _always("a token in a query is not read (RFC 6750 §2.3)")),
    Requirement("RFC 9700 §4.5.3.1", "code injection: the code is tied to a verifier", _pkce, must=False, concerns=_people),
    Requirement("RFC 9700 §4.5.3.2", "code injection: nonce is sent and checked", None, concerns=_people),
    Requirement("RFC 9700 §4.6.1", "access token injection: at_hash is checked where a token comes by another way", None, concerns=_people),
    Requirement("RFC 9700 §4.7.1", "cross-site requests: PKCE, or state or nonce tied to the browser", None, concerns=_people),
    Requirement(
        "RFC 9700 §4.8.2", "no downgrade: a challenge demands its verifier", _always("enforced for every client"), concerns=_people
    ),
    Requirement("RFC 9700 §4.9.3", "resource servers keep no tokens, and treat them as secrets", None),
    Requirement("RFC 9700 §4.10.1", "a stolen access token is of no use", _sender, must=False),
    Requirement("RFC 9700 §4.10.2", "an access token is for one audience", _audience, must=False),
    Requirement("RFC 9700 §4.11.1", "the service is no open redirector", None, concerns=_people),
    Requirement(
        "RFC 9700 §4.11.2",
        "the provider is no open redirector",
        _always("nothing is redirected before client and redirect_uri are known"),
        concerns=_people,
    ),
    Requirement("RFC 9700 §4.12", "no 307 after a form", _always("every redirect is a 303"), concerns=_people),
    Requirement(
        "RFC 9700 §4.13",
        "a proxy's headers are believed from the proxy alone",
        _always("addresses and certificates in headers count from configured proxies, and are removed otherwise"),
    ),
    Requirement("RFC 9700 §4.14.2", "a stolen refresh token is found out", _refresh, concerns=_refreshes),
    Requirement(
        "RFC 9700 §4.15.1", "a client is never taken for a person", _always("a client's own token is no login: userinfo refuses it")
    ),
    Requirement("RFC 9700 §4.16", "no page can be framed", _always("frame-ancestors 'none' and X-Frame-Options"), concerns=_people),
    Requirement("RFC 9700 §4.17.2", "in-browser messages go to one origin", _always("the session frame answers the origin that asks")),
    Requirement("RFC 10070", "assertions are for the issuer alone", _issuer_audience, concerns=_assertions),
)
_FAPI2: Final = (
    Requirement("FAPI 2.0 §5.3.2.1", "only confidential clients", _confidential),
    Requirement("FAPI 2.0 §5.3.2.1", "private_key_jwt or mutual TLS", _asymmetric),
    Requirement("FAPI 2.0 §5.3.2.1", "sender-constrained access tokens", _sender),
    Requirement("FAPI 2.0 §5.3.2.1", "assertions are for the issuer alone", _issuer_audience, concerns=_assertions),
    Requirement("FAPI 2.0 §5.3.2.2", "pushed authorization requests alone", _pushed, concerns=_people),
    Requirement("FAPI 2.0 §5.3.2.2", "PKCE with S256", _pkce, concerns=_people),
    Requirement("FAPI 2.0 §5.3.2.2", "redirect URIs are https", _redirects_are_https, concerns=_people),
    Requirement("FAPI 2.0 §5.3.2.2", "a code lives at most 60 s", _code_life, concerns=_people),
    Requirement("FAPI 2.0 §5.3.2.2", "the answer names the issuer", _always("iss is in every answer (RFC 9207)"), concerns=_people),
    Requirement(
        "FAPI 2.0 §5.3.2.1",
        "refresh tokens are not rotated",
        lambda one: (
            not one.rules.refresh_rotation,
            "quirks.refresh_rotation is on: set it to false" if one.rules.refresh_rotation else "the same refresh token goes on",
        ),
        concerns=lambda one: "refresh_token" in one.client.grant_types,
    ),
    Requirement("FAPI 2.0 §5.4", "PS256, ES256 or EdDSA alone", _strong_algorithms),
    Requirement("FAPI 2.0 §5.2", "TLS", _tls),
)
_PSC: Final = (
    Requirement("référentiel PSC, 22", "client id and secret stay on a server", _confidential),
    Requirement("OpenID Connect Core §2", "acr tells the level that was reached", _honest_level, concerns=_people),
    Requirement("ANS, userinfo", "scope_all for the professional's record", _scope_all, must=False, concerns=_people),
    Requirement("ANS, sécurisation transport", "access tokens of two minutes", _short_tokens),
    Requirement("ANS, sécurisation transport", "TLS 1.2 or later", _tls),
    Requirement("ANS, FAQ des industriels", "mutual TLS in the «Espace de confiance»", _mutual, concerns=_trusted),
    Requirement("ANS, guides", "tokens stay on the server, and never reach the browser", None, concerns=_people),
    Requirement("ANS, délégation", "one habilitation DataPass for each service", None),
    Requirement("ANS, introspection", "the service introspects tokens it is shown", None),
    Requirement(
        "ANS, guides", "state and nonce are sent and checked; iss, aud, exp, acr and signature are verified", None, concerns=_people
    ),
    Requirement("ANS, guides", "the session of the service ends with that of Pro Santé Connect", None, concerns=_people),
    Requirement("ANS, guides", "the official button, and a paragraph in the terms of use", None, concerns=_people),
)
#: By the name that the command line uses. A list is judged whatever the client's profile: it may be a question of what is missing.
LISTS: Final = {"rfc9700": _RFC9700, "fapi2": _FAPI2, "psc": _PSC}


def lists_for(client: Client) -> tuple[str, ...]:
    """The lists that concern a client by its profile."""
    return ("rfc9700", *({Profile.FAPI2: ("fapi2",), Profile.PSC: ("psc",)}.get(client.profile, ())))


def judge(subject: Subject, names: tuple[str, ...]) -> Iterator[Finding]:
    """Every requirement of the lists that concerns the client, in their order."""
    for name in names:
        for requirement in LISTS[name]:
            if not requirement.concerns(subject):
                continue
            if requirement.judge is None:
                yield Finding(requirement, Verdict.SERVICE, "nothing in a registration can tell")
                continue
            met, reason = requirement.judge(subject)
            yield Finding(requirement, Verdict.MET if met else Verdict.NOT_MET if requirement.must else Verdict.ADVISED, reason)
