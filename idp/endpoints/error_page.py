"""The page of a refusal that must not go to a client: it says what happened, and never repeats what the request said."""

from starlette.requests import Request
from starlette.responses import Response

from idp.endpoints.pages import pages
from idp.errors import OAuthError
from idp.tracing import request_id


def error_page(request: Request, error: OAuthError) -> Response:
    """HTML with the error's status (RFC 6749 §4.1.2.1: inform the person, do not redirect); leads developers to theirs, if it was kept."""
    return pages().render(
        request,
        "unanswerable.html",
        status=error.status,
        code=error.error,
        description=error.description,
        reference=request_id.get(),
        kept=bool(error.error_uri),
    )
