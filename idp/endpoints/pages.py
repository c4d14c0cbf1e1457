"""HTML pages: templates and messages of ``idp/web``, in the reader's language and theme.

Language: ``?lang=``, then the reader's last choice, then the request's ``ui_locales``, then ``Accept-Language``, then French.
Choices are kept in two cookies that hold nothing else. No page has inline script or style.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from idp.http import content_security_policy
from idp.provider import provider_of

#: Where templates, messages and static files are.
WEB_FOLDER: Final = Path(__file__).resolve().parent.parent / "web"
#: First is the default.
LANGUAGES: Final = ("fr", "en")
THEMES: Final = ("auto", "light", "dark")

_COOKIE_SECONDS: Final = 365 * 24 * 3600
_NO_BREAK, _NARROW_NO_BREAK = "\u00a0", "\u202f"


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a person reads: language and theme, and which of the two they have just chosen."""

    language: str
    theme: str
    chosen: Mapping[str, str]


def preferences(request: Request, ui_locales: str = "") -> Preferences:
    """What the request asks for, in the order of the module's docstring; an unknown value counts as none."""
    choices = (("lang", LANGUAGES), ("theme", THEMES))
    asked = {name: value for name, allowed in choices if (value := request.query_params.get(name, "")) in allowed}
    kept = {name: request.cookies.get(f"veilleur_{name}", "") for name in ("lang", "theme")}
    wishes = [asked.get("lang", ""), kept["lang"], *ui_locales.split(), *_accepted_languages(request.headers.get("accept-language", ""))]
    language = next((short for wish in wishes if (short := wish.lower().partition("-")[0]) in LANGUAGES), LANGUAGES[0])
    theme = next((wish for wish in (asked.get("theme", ""), kept["theme"]) if wish in THEMES), THEMES[0])
    return Preferences(language, theme, asked)


def _accepted_languages(header: str) -> Sequence[str]:
    """Language ranges by falling weight (RFC 9110 §12.5.4); a weight that cannot be read counts as 0."""
    weighted: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        weighted.append((float(weight) if re.fullmatch(r"[01](\.[0-9]{1,3})?", weight) else 0.0 if weight else 1.0, tag))
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]


class Messages:
    """The texts of one language, by dotted key; a missing key or value is an error, never an empty place on a screen."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """The text of ``key`` with its ``{places}`` filled; raises KeyError."""
        return self.texts[key].format(**values)

    def under(self, prefix: str) -> dict[str, str]:
        """All texts below ``prefix``, with the prefix taken off: what a script needs."""
        return {key.removeprefix(f"{prefix}."): text for key, text in self.texts.items() if key.startswith(f"{prefix}.")}


def load_messages(folder: Path, language: str) -> Messages:
    """Read ``<language>.yaml``; French gets its unbreakable spaces here."""
    document = yaml.safe_load((folder / f"{language}.yaml").read_text(encoding="utf-8"))
    texts = dict(_flat(document))
    return Messages(language, {key: french_spaces(text) for key, text in texts.items()} if language == "fr" else texts)


def french_spaces(text: str) -> str:
    """Put unbreakable spaces before ``: ; ! ?`` and inside guillemets (Imprimerie nationale)."""
    text = re.sub(r" (?=[;!?])", _NARROW_NO_BREAK, text)
    text = re.sub(r" (?=[:»])", _NO_BREAK, text)
    return re.sub(r"(?<=«) ?", _NO_BREAK, text)


def _flat(node: Mapping[str, object], prefix: str = "") -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in node.items():
        if isinstance(value, Mapping):
            found.extend(_flat(value, f"{prefix}{name}."))
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found


class Pages:
    """Renders the templates of one folder."""

    def __init__(self, folder: Path) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._messages = {language: load_messages(folder / "messages", language) for language in LANGUAGES}

    def messages(self, language: str) -> Messages:
        """The texts of a language of :data:`LANGUAGES`."""
        return self._messages[language]

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        ui_locales: str = "",
        form_action: Sequence[str] = (),
        here: str = "",
        **context: object,
    ) -> HTMLResponse:
        """One page. ``form_action``: other origins that a form of it may end at (the client's, after a cancellation).

        ``here``: the path that shows it again in another language, when that is not the request's (the answer to a form).
        """
        wished = preferences(request, ui_locales)
        body = self._environment.get_template(template).render(
            t=self._messages[wished.language],
            language=wished.language,
            theme=wished.theme,
            switch=_switches(here or request.url.path, wished),
            **context,
        )
        headers = {"content-language": wished.language, "vary": "Accept-Language, Cookie"}
        if form_action:
            headers["content-security-policy"] = content_security_policy(form_action=("'self'", *form_action))
        response = HTMLResponse(body, status, headers)
        for name, value in wished.chosen.items():
            response.set_cookie(
                f"veilleur_{name}", value, max_age=_COOKIE_SECONDS, httponly=True, samesite="lax", secure=provider_of(request).https
            )
        return response


@cache
def pages() -> Pages:
    """The pages of ``idp/web``, read once."""
    return Pages(WEB_FOLDER)


def _switches(path: str, wished: Preferences) -> dict[str, str]:
    """Where a click on another language or theme leads: the same page, without what else the query held."""
    other = LANGUAGES[1] if wished.language == LANGUAGES[0] else LANGUAGES[0]
    return {"language": other, "language_url": f"{path}?lang={other}"} | {theme: f"{path}?theme={theme}" for theme in THEMES}
