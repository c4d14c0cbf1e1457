"""Errors of the provider, in two families; anything else is a bug and becomes a 500 with a reference.

OAuthError                      a registered error code: becomes a response (RFC 6749 §5.2) or a redirect
├── InvalidRequest … (one class per registered code)
OperationError                  store, network, key: becomes 503 and an alert

``description`` is for the client's developer, in the characters that the protocol has, and leaks nothing; ``detail`` is for the
operator's log alone.
"""

import re
from typing import ClassVar, Final

#: What may not stand in ``error_description`` (RFC 6749 §5.2), nor in the challenge of a bearer token (RFC 6750 §3).
_UNSPEAKABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
#: A description goes into headers and addresses; one that repeats what a schema or a library says could be of any length.
MAX_DESCRIPTION_LENGTH: Final = 300


def _spoken(text: str) -> str:
    """The text with what the protocol cannot say replaced, so that no header and no answer is broken by what somebody sent."""
    return _UNSPEAKABLE.sub("?", text.replace('"', "'").replace("\\", "/"))


class OAuthError(Exception):
    """A refusal the protocol has a word for. ``allow_redirect`` is false until client and redirect_uri are verified."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(self, description: str, *, detail: str = "", allow_redirect: bool = True, headers: dict[str, str] | None = None) -> None:
        self.description = _spoken(description)[:MAX_DESCRIPTION_LENGTH]
        super().__init__(f"{self.error}: {self.description}")
        self.detail = detail
        self.allow_redirect = allow_redirect
        self.headers = headers or {}
        #: A page for the client's developers (RFC 6749 §5.2), where there is one.
        self.error_uri = ""


class InvalidRequest(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """RFC 6749 §5.2."""

    error = "invalid_client"
    status = 401


#: Said of every failed authentication alike: which part failed is for the operator's log (``detail``).
AUTHENTICATION_FAILED: Final = "client authentication failed: check client_id, its registered method, and the secret, key or certificate"


class InvalidGrant(OAuthError):
    """RFC 6749 §5.2."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """RFC 6749 §5.2."""

    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """RFC 6749 §4.1.2.1."""

    error = "unsupported_response_type"


class UnsupportedTokenType(OAuthError):
    """RFC 7009 §2.2.1."""

    error = "unsupported_token_type"


class InvalidScope(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    error = "invalid_scope"


class AccessDenied(OAuthError):
    """RFC 6749 §4.1.2.1."""

    error = "access_denied"
    status = 403


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "consent_required"


class InteractionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "interaction_required"


class RequestNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "request_uri_not_supported"


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5, CIBA §11: nobody has answered yet."""

    error = "authorization_pending"


class SlowDown(OAuthError):
    """RFC 8628 §3.5, CIBA §11: asked again too soon; the interval is longer from now on."""

    error = "slow_down"


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5, CIBA §11: nobody answered in time."""

    error = "expired_token"


class RequestDenied(OAuthError):
    """RFC 8628 §3.5, CIBA §11: the person said no; at the token endpoint its status is 400."""

    error = "access_denied"


class UnknownUserId(OAuthError):
    """CIBA §13."""

    error = "unknown_user_id"


class InvalidBindingMessage(OAuthError):
    """CIBA §13."""

    error = "invalid_binding_message"


class InvalidAuthorizationDetails(OAuthError):
    """RFC 9396 §5."""

    error = "invalid_authorization_details"


class InvalidTarget(OAuthError):
    """RFC 8707 §2."""

    error = "invalid_target"


class UnmetAuthenticationRequirements(OAuthError):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""

    error = "unmet_authentication_requirements"


class InvalidRequestObject(OAuthError):
    """RFC 9101 §7."""

    error = "invalid_request_object"


class InvalidRequestUri(OAuthError):
    """RFC 9101 §7; here a pushed request that is unknown, answered, expired or not for this client or browser (RFC 9126 §4)."""

    error = "invalid_request_uri"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    error = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    """RFC 7591 §3.2.2."""

    error = "invalid_redirect_uri"


class UnapprovedSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2."""

    error = "unapproved_software_statement"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1."""

    error = "invalid_token"
    status = 401


class InvalidDpopProof(OAuthError):
    """RFC 9449 §5, §7.1; the status is 401 at a resource."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """RFC 9449 §8, §9; the ``DPoP-Nonce`` header holds the nonce to use, the status is 401 at a resource."""

    error = "use_dpop_nonce"


class InsufficientUserAuthentication(OAuthError):
    """RFC 9470 §3: the challenge says which level and which age of the login would do."""

    error = "insufficient_user_authentication"
    status = 401


class InsufficientScope(OAuthError):
    """RFC 6750 §3.1."""

    error = "insufficient_scope"
    status = 403


class TemporarilyUnavailable(OAuthError):
    """RFC 6749 §4.1.2.1; also the answer to too many requests, with Retry-After."""

    error = "temporarily_unavailable"
    status = 503


class TooManyAttempts(TemporarilyUnavailable):
    """A limit was reached (RFC 6585 §4); ``Retry-After`` says how many seconds to wait."""

    status = 429


class OperationError(Exception):
    """A store, a key or the network failed: what was attempted, on what, and whether trying again helps."""

    def __init__(self, attempted: str, subject: str, *, retry_helps: bool) -> None:
        super().__init__(f"{attempted} failed on {subject}" + (" (trying again may help)" if retry_helps else ""))
        self.attempted = attempted
        self.subject = subject
        self.retry_helps = retry_helps
