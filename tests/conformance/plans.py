"""The OpenID Foundation's certification plans that concern this provider: their modules, and why some have no test here.

A test of a module is called ``test_`` and the module's name; its docstring says what it looks at. ``docs/reference/conformance.md``
is written from this table and those docstrings. Names are those of the Foundation's suite; its code is not used.
"""

from collections.abc import Mapping
from typing import Final

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
