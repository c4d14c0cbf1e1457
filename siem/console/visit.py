"""One request of one person, as the pages see it: who asks, in which language, what was sent, and how to answer.

Pages are plain functions ``(visit) -> Response`` run in the thread pool. What they cannot do they say by raising
:class:`Problem`; the router turns it into a page.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from siem.access import Permission, Principal
from siem.console import moments, sessions
from siem.console.language import Language
from siem.console.services import Services
from siem.incidents import detection_alarms
from siem.incidents.detection_alarms import DetectionAlarm
from siem.incidents.grouping import fill
from siem.incidents.model import Alert

PREFERENCES_COOKIE: Final = "veilleur_preferences"
_LONGEST_NUMBER: Final = len("9999")


class Problem(Exception):
    """A page cannot be shown or an action not be done. ``key`` names ``problem.<key>.title`` and ``.text`` in the messages."""

    def __init__(self, status: int, key: str, *, permission: Permission | None = None, detail: str = "") -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.permission = permission
        self.detail = detail


class NotFound(Problem):
    """No such object, or not for this person: both look the same."""

    def __init__(self) -> None:
        super().__init__(404, "not_found")


class Errors(dict[str, str]):
    """What is wrong, by field; a field without a fault has an empty sentence."""

    def __missing__(self, field: str) -> str:
        return ""


class Form:
    """A submitted form or a query string: names to their values, in order."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, stripped."""
        return next((value.strip() for key, value in self._pairs if key == name), default)

    def number(self, name: str) -> int | None:
        """A field that holds a number from 1 to 9,999 in plain digits (a page, a version); None for anything else."""
        typed = self.get(name)
        return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= _LONGEST_NUMBER and int(typed) else None

    def all(self, name: str) -> list[str]:
        """Every value of a field (checkboxes)."""
        return [value for key, value in self._pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self._pairs)

    def names(self) -> list[str]:
        """Every field sent, once."""
        return list(dict.fromkeys(key for key, _ in self._pairs))

    def replaced(self, **changes: str | None) -> str:
        """The query string with some fields changed (or removed by None), for filter and page links."""
        kept = [(key, value) for key, value in self._pairs if key not in changes]
        return urlencode(kept + [(key, value) for key, value in changes.items() if value])


@dataclass(frozen=True, slots=True)
class Preferences:
    """How this person wants the screens; kept in their browser."""

    language: str = ""
    theme: str = "auto"
    density: str = "comfortable"
    shortcuts: bool = True

    @classmethod
    def from_cookie(cls, value: str | None) -> "Preferences":
        """Whatever is readable in the cookie; anything else is the default."""
        found = dict(parse_qsl(value or ""))
        theme = found.get("theme", "auto")
        density = found.get("density", "comfortable")
        return cls(
            language=found.get("language", ""),
            theme=theme if theme in {"auto", "light", "dark"} else "auto",
            density=density if density in {"comfortable", "compact"} else "comfortable",
            shortcuts=found.get("shortcuts") != "off",
        )

    def to_cookie(self) -> str:
        """The cookie's value."""
        values = {"language": self.language, "theme": self.theme, "density": self.density, "shortcuts": "on" if self.shortcuts else "off"}
        return urlencode(values)


@dataclass(frozen=True, slots=True)
class Visit:
    """See the module. ``section`` is the entry of the navigation this page belongs to."""

    request: Request
    services: Services
    environment: Environment
    language: Language
    preferences: Preferences
    now: datetime
    section: str = ""
    session: sessions.Session | None = None
    person: Principal | None = None
    form: Form = field(default_factory=lambda: Form([]))

    @property
    def principal(self) -> Principal:
        """Who is logged in; the router lets nobody else through to a page that reads it."""
        if self.person is None:
            raise Problem(401, "logged_out")
        return self.person

    @property
    def query(self) -> Form:
        """The query string."""
        return Form(list(self.request.query_params.multi_items()))

    def parameter(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading."""
        with self.services.database.reading() as connection:
            yield connection

    def render(self, template: str, *, status: int = 200, **values: object) -> Response:
        """A page, with what every page needs."""
        notices = self.session.notices if self.session else ()
        wrong = values.get("errors")
        if isinstance(wrong, dict):
            values["errors"] = Errors(wrong)
        shown = self.environment.get_template(template).render(**self._context(), notices=notices, **values)
        if notices and self.session:
            with self.services.database.transaction() as connection:
                sessions.clear_notices(connection, self.session)
        return HTMLResponse(shown, status_code=status)

    def redirect(self, path: str, notice: str = "") -> Response:
        """Go to a page of ours, with a word on what was done shown there (303: a reload does not post again)."""
        if notice and self.session:
            with self.services.database.transaction() as connection:
                sessions.notify(connection, self.session, notice)
        return RedirectResponse(path, status_code=303)

    def _context(self) -> Mapping[str, object]:
        language, now = self.language, self.now
        return {
            "visit": self,
            "t": language.text,
            "n": language.count,
            "label": language.label,
            "number": language.number,
            "when": lambda at, **options: moments.element(language, at, now, **options),
            "day": lambda at: moments.day(language, at),
            "span": lambda value: moments.duration(language, value),
            "here": self._here(),
            "csrf": self.session.csrf if self.session else "",
            "may": self._may,
            "title_of": self._title_of,
            "rule_title": self.rule_title,
            "standing_alarms": self._standing_alarms,
            "summary_of": self._summary_of,
        }

    def _summary_of(self, alert: Alert) -> str:
        """Why it fired, in the reader's language; the French sentence where the rule has no other."""
        rule = self.services.rules.get(alert.rule_id)
        if rule is None or not rule.summary_en or self.language.code != "en":
            return alert.summary
        values = dict(alert.values)
        return fill(rule.summary_en, values, int(values.get("count", alert.count)), self.language.text("alert.unknown_value"))

    def _title_of(self, alert: Alert) -> str:
        """The alert's title in the reader's language, where its rule has one."""
        rule = self.services.rules.get(alert.rule_id)
        return rule.title_fr if rule and rule.title_fr and self.language.code == "fr" else alert.rule_title

    def rule_title(self, rule_id: str) -> str:
        """The title of a rule in force in the reader's language; of one that is gone, its id."""
        rule = self.services.rules.get(rule_id)
        if rule is None:
            return rule_id
        return rule.title_fr if rule.title_fr and self.language.code == "fr" else rule.title

    def _standing_alarms(self) -> list[DetectionAlarm]:
        """Alarms about the detection, for the pages of those who may act on them."""
        if not self._may(Permission.TUNE_RULES):
            return []
        with self.reading() as connection:
            return detection_alarms.standing(connection, self.principal)

    def _here(self) -> str:
        """The address to come back to after a switch; after a form that was refused, the home page."""
        url = self.request.url
        return (url.path + (f"?{url.query}" if url.query else "")) if self.request.method == "GET" else "/"

    def _may(self, permission: str) -> bool:
        return self.person is not None and self.person.may(Permission(permission))
