"""How a person wants the screens: language, light or dark, density, single-key shortcuts (which WCAG 2.1.4 wants switchable)."""

from typing import Final

from starlette.responses import Response

from siem.console.language import SUPPORTED
from siem.console.routing import safe_return
from siem.console.visit import PREFERENCES_COOKIE, Preferences, Visit

_A_YEAR: Final = 365 * 24 * 3600


def show(visit: Visit) -> Response:
    """The form."""
    return visit.render("preferences.html", back=safe_return(visit.query.get("retour", "/")))


def save(visit: Visit) -> Response:
    """Keep what was chosen; a field that was not sent stays as it was, so that a single switch can post alone."""
    form, now = visit.form, visit.preferences
    language = form.get("langue", now.language)
    shortcuts = form.get("raccourcis") == "oui" if "raccourcis" in form else now.shortcuts
    chosen = Preferences.from_cookie(
        Preferences(
            language=language if language in SUPPORTED else now.language,
            theme=form.get("theme", now.theme),
            density=form.get("densite", now.density),
            shortcuts=shortcuts,
        ).to_cookie()
    )
    response = visit.redirect(safe_return(form.get("retour", "/")))
    response.set_cookie(
        PREFERENCES_COOKIE,
        chosen.to_cookie(),
        max_age=_A_YEAR,
        path="/",
        secure=visit.services.provider.secure,
        httponly=True,
        samesite="lax",
    )
    return response
