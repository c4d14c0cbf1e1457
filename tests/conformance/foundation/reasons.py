"""Why the suite's verdict on a module is not ``passed``, or what was seen on the pages that it shows to a person.

Each is a decision of ours, or of a plan that asks for what newer standards forbid. ``skipped`` is the suite's own decision, from
what discovery announces or what keys a plan has; ``review`` waits for a person: what that person saw stands here.
"""

from collections.abc import Mapping
from typing import Final

_NO_SCOPE: Final = "the scope is not announced: the provider keeps no such data of a professional"
_NO_NONE: Final = "`none` is not announced: nothing unsigned is taken or given"
_EC_KEYS: Final = "this run had EC keys, and the module needs RSA: it passes where the plan has PS256 keys, as all with assertions have now"
_LOGGED_OUT: Final = "seen: the page that says that the session is closed, which services could not be told, and until when access may last"


def _refused(told: str) -> str:
    return f"seen: the page that says that the request cannot succeed and that the person is not at fault; to developers: {told}"


_BAD_REDIRECT: Final = _refused("redirect_uri is not one that this service registered")
_BAD_RETURN: Final = _refused("post_logout_redirect_uri is not one that this service registered")
_BAD_HINT: Final = _refused("id_token_hint is not a token of this issuer")
_LOGOUT: Final = "oidcc-rp-initiated-logout"
#: Module → reason, whatever the plan.
REASONS: Final[Mapping[str, str]] = {
    "oidcc-scope-profile": "the directory knows names, not nicknames, pictures or time zones: what is not known is left out",
    "oidcc-scope-email": _NO_SCOPE,
    "oidcc-scope-address": _NO_SCOPE,
    "oidcc-scope-phone": _NO_SCOPE,
    "oidcc-scope-all": _NO_SCOPE,
    "oidcc-alternate-happy-flow": "it asks for the scopes email, address and phone, which are not announced",
    "oidcc-idtoken-unsigned": _NO_NONE,
    "oidcc-request-uri-unsigned": _NO_NONE,
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": _NO_NONE,
    "oidcc-ensure-request-object-with-redirect-uri": _NO_NONE,
    "oidcc-prompt-login": "seen: the login page, empty, to somebody who was logged in",
    "oidcc-max-age-1": "seen: the login page, empty, to somebody who was logged in",
    "oidcc-ensure-registered-redirect-uri": _BAD_REDIRECT,
    "oidcc-ensure-redirect-uri-in-authorization-request": _refused("redirect_uri is missing"),
    "oidcc-redirect-uri-query-mismatch": _BAD_REDIRECT,
    "oidcc-redirect-uri-query-added": _BAD_REDIRECT,
    f"{_LOGOUT}-bad-post-logout-redirect-uri": _BAD_RETURN,
    f"{_LOGOUT}-modified-id-token-hint": _BAD_HINT,
    f"{_LOGOUT}-bad-id-token-hint": _BAD_HINT,
    f"{_LOGOUT}-no-id-token-hint": _refused("post_logout_redirect_uri needs id_token_hint or client_id"),
    f"{_LOGOUT}-query-added-to-post-logout-redirect-uri": _BAD_RETURN,
    f"{_LOGOUT}-no-params": _LOGGED_OUT,
    f"{_LOGOUT}-no-post-logout-redirect-uri": _LOGGED_OUT,
    f"{_LOGOUT}-only-state": _LOGGED_OUT,
    "oidcc-registration-logo-uri": "seen: the page of consent without the logo: no page of ours loads anything from elsewhere",
    "oidcc-registration-policy-uri": "seen: the page of consent links to what the service does with data",
    "oidcc-registration-tos-uri": "seen: the page of consent links to the service's terms of use",
    "fapi2-security-profile-final-test-claims-parameter-identity-claims": "the ID token has `sid`, by which a service is told that the "
    "session ended (Back-Channel Logout §2.1); the module does not know it",
    "fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails": _EC_KEYS,
}
#: (plan, module) → reason.
REASONS_IN_PLAN: Final[Mapping[tuple[str, str], str]] = {
    (
        "oidcc-dynamic-certification-test-plan",
        "oidcc-discovery-endpoint-verification",
    ): "the plan demands the response types and the grant `implicit`, which RFC 9700 §2.1.2 says not to offer",
    (
        "oidcc-dynamic-certification-test-plan",
        "oidcc-server",
    ): "the client is of profile `psc`, the one that does without PKCE as the plan does: its ID token has the claims of Pro Santé Connect",
}


def reason(plan: str, module: str) -> str:
    """Why; empty for a module that has nothing to explain."""
    return REASONS_IN_PLAN.get((plan, module)) or REASONS.get(module, "")
