"""The OpenID Foundation's certification plans that concern this provider: their modules, and why some have no test here.

A test of a module is called ``test_`` and the module's name, or has a parameter of that name (``pytest.param(…, id="…")``); its
docstring says what it looks at. ``docs/reference/conformance.md`` is written from this table and those docstrings. Names are those
of the Foundation's suite; its code is not used.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_BASIC: Final = (
    *("oidcc-server", "oidcc-response-type-missing", "oidcc-idtoken-signature", "oidcc-idtoken-unsigned", "oidcc-userinfo-get"),
    *("oidcc-userinfo-post-header", "oidcc-userinfo-post-body", "oidcc-ensure-request-without-nonce-succeeds-for-code-flow"),
    *("oidcc-scope-profile", "oidcc-scope-email", "oidcc-scope-address", "oidcc-scope-phone", "oidcc-scope-all"),
    *("oidcc-alternate-happy-flow", "oidcc-display-page", "oidcc-display-popup", "oidcc-prompt-login", "oidcc-prompt-none-not-logged-in"),
    *("oidcc-prompt-none-logged-in", "oidcc-max-age-1", "oidcc-max-age-10000", "oidcc-ensure-request-with-unknown-parameter-succeeds"),
    *("oidcc-id-token-hint", "oidcc-login-hint", "oidcc-ui-locales", "oidcc-claims-locales"),
    *("oidcc-ensure-request-with-acr-values-succeeds", "oidcc-codereuse", "oidcc-codereuse-30seconds"),
    *("oidcc-ensure-registered-redirect-uri", "oidcc-ensure-post-request-succeeds", "oidcc-server-client-secret-post"),
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    *("oidcc-claims-essential", "oidcc-ensure-request-object-with-redirect-uri", "oidcc-refresh-token"),
    "oidcc-ensure-request-with-valid-pkce-succeeds",
)

_FAPI2: Final = "fapi2-security-profile-final-"
#: Modules of both FAPI 2.0 plans, without what their names begin with.
_SECURITY: Final = (
    *("discovery-end-point-verification", "happy-flow", "user-rejects-authentication"),
    *("ensure-authorization-request-without-state-success", "ensure-authorization-request-without-nonce-success"),
    *("ensure-authorization-request-with-64-char-nonce-success", "ensure-other-scope-order-succeeds"),
    *("test-claims-parameter-identity-claims", "access-token-type-header-case-sensitivity", "check-dpop-proof-nbf-exp"),
    *("ensure-dpopproof-with-iat-10seconds-before-succeeds", "ensure-dpopproof-with-iat-10seconds-after-succeeds"),
    *("ensure-mismatched-dpop-jkt-fails", "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt"),
    *("ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "ensure-dpopproof-at-par-endpoint-binding-success"),
    *("ensure-dpop-auth-code-binding-success", "ensure-different-nonce-inside-and-outside-request-object"),
    *("ensure-different-state-inside-and-outside-request-object", "ensure-authorization-request-with-long-nonce"),
    *("ensure-authorization-request-with-long-state", "state-only-outside-request-object-not-used"),
    *("ensure-request-object-without-redirect-uri-fails", "plain-fapi-tolerate-unregistered-redirect-uri"),
    *("ensure-unsigned-authorization-request-without-using-par-fails", "ensure-redirect-uri-in-authorization-request"),
    *("ensure-response-type-code-idtoken-fails", "ensure-response-type-token-fails", "ensure-client-id-in-token-endpoint"),
    *("ensure-holder-of-key-required", "ensure-authorization-code-is-bound-to-client"),
    *("attempt-reuse-authorization-code-after-one-second", "ensure-token-endpoint-fails-with-expired-auth-code"),
    *("ensure-signed-client-assertion-with-RS256-fails", "ensure-client-assertion-in-token-endpoint"),
    *("ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "ensure-client-assertion-with-wrong-aud-fails"),
    *("ensure-client-assertion-with-no-sub-fails", "dpop-negative-tests", "refresh-token"),
    *("par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", "par-attempt-reuse-request_uri"),
    *("par-attempt-to-use-expired-request_uri", "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted"),
    "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
    *("par-attempt-to-use-request_uri-for-different-client", "par-authorization-request-containing-request_uri-form-param"),
    *("par-attempt-invalid-http-method", "par-ensure-pkce-required", "ensure-pkce-code-verifier-required"),
    *("incorrect-pkce-code-verifier-rejected", "par-plain-pkce-rejected", "par-without-duplicate-parameters"),
    *("par-test-array-as-audience-fails", "par-test-par-endpoint-url-as-audience-fails"),
    "par-test-token-endpoint-url-as-audience-fails",
)
#: What the plan for message signing has besides.
_SIGNED: Final = (
    *("ensure-request-object-with-multiple-aud-succeeds", "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted"),
    *("ensure-request-object-without-exp-fails", "ensure-request-object-without-nbf-fails", "ensure-expired-request-object-fails"),
    *("ensure-request-object-with-bad-aud-fails", "ensure-request-object-with-exp-over-60-fails"),
    *("ensure-request-object-with-nbf-over-60-fails", "ensure-signed-request-object-with-RS256-fails"),
    *("ensure-request-object-signature-algorithm-is-not-none", "ensure-request-object-with-invalid-signature-fails"),
    *("ensure-matching-key-in-authorization-request", "ensure-unsigned-request-at-par-endpoint-fails"),
    "par-authorization-request-containing-request_uri",
)
_CIBA: Final = "fapi-ciba-id1"
_BACKCHANNEL: Final = (
    *("discovery-end-point-verification", "user-rejects-authentication", "multiple-call-to-token-endpoint", "auth-req-id-expired"),
    *("ensure-authorization-request-with-binding-message-succeeds", "ensure-other-scope-order-succeeds"),
    *("ensure-requested-expiry-as-string-succeeds", "ensure-authorization-request-with-potentially-bad-binding-message"),
    *("ensure-request-object-missing-aud-fails", "ensure-request-object-bad-aud-fails", "ensure-request-object-missing-iss-fails"),
    *("ensure-request-object-bad-iss-fails", "ensure-request-object-missing-exp-fails", "ensure-request-object-expired-exp-fails"),
    *("ensure-request-object-exp-is-70-minutes-in-future-fails", "ensure-request-object-missing-iat-fails"),
    *("ensure-request-object-missing-nbf-fails", "ensure-request-object-nbf-is-10-minutes-in-future-fails"),
    *("ensure-request-object-nbf-is-70-minutes-in-past-fails", "ensure-request-object-missing-jti-fails"),
    *("ensure-request-object-signature-algorithm-is-none-fails", "ensure-request-object-signature-algorithm-is-bad-fails"),
    *("ensure-request-object-signature-algorithm-is-RS256-fails", "ensure-request-object-signed-by-other-client-fails"),
    *("ensure-authorization-request-with-multiple-hints-fails", "ensure-wrong-auth-req-id-in-token-endpoint-request"),
    "ensure-without-client-assertion-in-token-endpoint-request",
    "ensure-without-client-assertion-in-backchannel-authorization-request",
    "ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails",
    "ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails",
    *("ensure-client-assertion-with-iss-aud-to-token-endpoint-succeeds", "ping-backchannel-notification-endpoint-response-has-body"),
    *("ping-backchannel-notification-endpoint-response-401", "ping-backchannel-notification-endpoint-response-403"),
    "ping-with-mtls-ciba-notification-endpoint-response-401-and-require-server-does-not-retry",
    *("ping-backchannel-notification-endpoint-return-redirect-request", "ensure-unsigned-backchannel-authorization-request-fails"),
    *("refresh-token", "ensure-mtls-holder-of-key-required"),
)

#: Modules by plan, in the suite's own order.
PLANS: Final[Mapping[str, tuple[str, ...]]] = {
    "oidcc-basic-certification-test-plan": _BASIC,
    "oidcc-formpost-basic-certification-test-plan": _BASIC,
    "oidcc-config-certification-test-plan": ("oidcc-discovery-endpoint-verification",),
    "oidcc-dynamic-certification-test-plan": (
        *("oidcc-discovery-endpoint-verification", "oidcc-server", "oidcc-ensure-client-assertion-with-iss-aud-succeeds"),
        *("oidcc-ensure-redirect-uri-in-authorization-request", "oidcc-ensure-request-object-with-redirect-uri", "oidcc-idtoken-rs256"),
        *("oidcc-idtoken-unsigned", "oidcc-redirect-uri-query-OK", "oidcc-redirect-uri-query-added", "oidcc-redirect-uri-query-mismatch"),
        *("oidcc-redirect-uri-regfrag", "oidcc-refresh-token", "oidcc-refresh-token-rp-key-rotation", "oidcc-registration-jwks-uri"),
        *("oidcc-registration-logo-uri", "oidcc-registration-policy-uri", "oidcc-registration-sector-bad"),
        *("oidcc-registration-sector-uri", "oidcc-registration-tos-uri", "oidcc-request-uri-signed-rs256", "oidcc-request-uri-unsigned"),
        *("oidcc-server-rotate-keys", "oidcc-userinfo-rs256"),
    ),
    "oidcc-3rdparty-init-login-certification-test-plan": ("oidcc-3rd_party-init-login", "oidcc-3rd_party-init-login-nohttps"),
    "oidcc-rp-initiated-logout-certification-test-plan": (
        *("oidcc-rp-initiated-logout-discovery-endpoint-verification", "oidcc-rp-initiated-logout"),
        *("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "oidcc-rp-initiated-logout-modified-id-token-hint"),
        *("oidcc-rp-initiated-logout-no-id-token-hint", "oidcc-rp-initiated-logout-no-params"),
        *("oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "oidcc-rp-initiated-logout-no-state"),
        *("oidcc-rp-initiated-logout-only-state", "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri"),
        "oidcc-rp-initiated-logout-bad-id-token-hint",
    ),
    "oidcc-backchannel-rp-initiated-logout-certification-test-plan": (
        *("oidcc-backchannel-logout-discovery-endpoint-verification", "oidcc-backchannel-rp-initiated-logout"),
    ),
    "oidcc-frontchannel-rp-initiated-logout-certification-test-plan": (
        *("oidcc-frontchannel-logout-discovery-endpoint-verification", "oidcc-frontchannel-rp-initiated-logout"),
    ),
    "oidcc-session-management-certification-test-plan": (
        *("oidcc-session-management-discovery-endpoint-verification", "oidcc-session-management-rp-initiated-logout"),
    ),
    "fapi2-security-profile-final-test-plan": tuple(f"{_FAPI2}{name}" for name in _SECURITY),
    "fapi2-message-signing-final-test-plan": tuple(f"{_FAPI2}{name}" for name in (*_SECURITY, *_SIGNED)),
    "fapi-ciba-id1-test-plan": (_CIBA, *(f"{_CIBA}-{name}" for name in _BACKCHANNEL)),
}

_NO_SCOPE: Final = "the provider keeps no such data of a professional and does not announce the scope, so the suite skips the module"
#: Modules without a test, with the reason.
NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "oidcc-idtoken-unsigned": "unsigned ID tokens are never issued, and `none` is not announced, so the suite skips the module",
    "oidcc-scope-email": _NO_SCOPE,
    "oidcc-scope-address": _NO_SCOPE,
    "oidcc-scope-phone": _NO_SCOPE,
    "oidcc-scope-all": "it asks for email, address and phone, which are not announced, so the suite skips the module",
    "oidcc-registration-logo-uri": "a logo is registered and told back, but no page loads anything from elsewhere: it is not shown",
}

#: What the name of a module begins with, as a test has it.
_FAMILIES: Final = ("oidcc_", "fapi2_", "fapi_ciba_")


class ModuleTest(NamedTuple):
    """Where a module is tested: the file, and what the test looks at."""

    path: Path
    text: str


def name_of_test(module: str) -> str:
    """As a function is called, without ``test_``."""
    return module.replace("-", "_")


def module_tests(folder: Path) -> dict[str, ModuleTest]:
    """Every test of a module in a folder, by :func:`name_of_test`."""
    found = {}
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                test = ModuleTest(path, ast.get_docstring(node) or "")
                names = (node.name.removeprefix("test_"), *map(name_of_test, _parameters(node)))
                found |= {name: test for name in names if name.startswith(_FAMILIES)}
    return found


def _parameters(function: ast.FunctionDef) -> Iterator[str]:
    """The names of its parameters: ``id`` of each ``pytest.param``."""
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.keyword) and node.arg == "id" and isinstance(node.value, ast.Constant):
                yield str(node.value.value)
