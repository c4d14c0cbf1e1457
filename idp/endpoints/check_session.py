"""The frame that services ask whether a session is still the browser's (Session Management §3.3).

The script in it compares what a service was given with a cookie of ours, on the person's machine: nothing is sent anywhere. It answers
the frame that asked, at the origin that the hash was made for. Where a browser hides our cookies from frames of other sites it answers
``error``, and a service learns of the end by the back channel. An end that this browser had no part in (by the administration, by
idling out) does not change the cookie: that too is the back channel's.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Session status</title><script src="/assets/check-session.js" defer></script></head>
<body></body>
</html>
"""
#: Any site may frame it: it shows nothing, and there is nothing to click.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *",
    "cross-origin-resource-policy": "cross-origin",
}


async def check_session(request: Request) -> Response:
    """GET: the same page for everybody."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/login-status-iframe.html", check_session, methods=["GET"])]
