"""Why the suite's verdict on a module is not ``passed`` and is not going to be.

Each is a decision of ours, or of a plan that asks for what newer standards forbid. Modules that wait for a person who looks at pictures
(``review``) and that the suite skips need none: it says so itself.
"""

from collections.abc import Mapping
from typing import Final

#: Module → reason, whatever the plan.
REASONS: Final[Mapping[str, str]] = {
    "oidcc-scope-profile": "the directory knows names, not nicknames, pictures or time zones: what is not known is left out",
    "fapi2-security-profile-final-test-claims-parameter-identity-claims": "the ID token has `sid`, by which a service is told that the "
    "session ended (Back-Channel Logout §2.1); the module does not know it",
    "fapi2-security-profile-final-dpop-negative-tests": "`htu` is compared as discovery writes it; other spellings of the same address, "
    "which a server should accept (RFC 9449 §4.3), are refused. To mend",
    "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": "the first visit spends a pushed "
    "request, as RFC 9126 §4 allows; FAPI 2.0 would rather see it spent by the login, so that a page can be loaded again. To mend",
    "oidcc-claims-essential": "the name needs the scope that gives it; the module asks for it by the claims parameter alone",
}
_LEAK: Final = "in a run of all modules the notification of an earlier module's login, which nobody answered, may come while this one runs"
#: (plan, module) → reason.
REASONS_IN_PLAN: Final[Mapping[tuple[str, str], str]] = {
    ("fapi-ciba-id1-test-plan", "fapi-ciba-id1-ensure-other-scope-order-succeeds"): _LEAK,
    ("fapi-ciba-id1-test-plan", "fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request"): _LEAK,
    (
        "oidcc-dynamic-certification-test-plan",
        "oidcc-discovery-endpoint-verification",
    ): "the plan demands the implicit grant, which RFC 9700 §2.1.2 says not to offer",
}


def reason(plan: str, module: str) -> str:
    """Why; empty for a module that has nothing to explain."""
    return REASONS_IN_PLAN.get((plan, module)) or REASONS.get(module, "")
