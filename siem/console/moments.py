"""Instants as a person reads them: Europe/Paris on screen, how long ago beside it, UTC in the tooltip.

Nothing here reads a clock: ``now`` is always given.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from siem.console.language import Language

PARIS: Final = ZoneInfo("Europe/Paris")


def local(language: Language, at: datetime) -> str:
    """``22 nov. 2026, 03:14`` in Paris time."""
    shown = at.astimezone(PARIS)
    month = language.text("month." + str(shown.month))
    return language.text("moment.date", day=shown.day, month=month, year=shown.year, hour=f"{shown:%H}", minute=f"{shown:%M}")


def day(language: Language, at: date) -> str:
    """``22 nov. 2026``."""
    return language.text("moment.day", day=at.day, month=language.text("month." + str(at.month)), year=at.year)


def local_short(language: Language, at: datetime, now: datetime) -> str:
    """The hour alone (``03:14``) for today, otherwise day and hour; seconds never."""
    shown = at.astimezone(PARIS)
    if shown.date() == now.astimezone(PARIS).date():
        return f"{shown:%H:%M}"
    month = language.text("month." + str(shown.month))
    return language.text("moment.day_hour", day=shown.day, month=month, hour=f"{shown:%H}", minute=f"{shown:%M}")


def utc(at: datetime) -> str:
    """``2026-11-22 02:14:05 UTC``, for the tooltip."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(language: Language, span: timedelta) -> str:
    """The two largest units of a span (``3 j 4 h``, ``2 h 05``, ``12 min``); its sign is dropped."""
    minutes = int(abs(span).total_seconds() // 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return language.text("moment.days_hours", days=days, hours=hours) if hours else language.text("moment.days", days=days)
    if hours:
        return language.text("moment.hours_minutes", hours=hours, minutes=f"{minutes:02d}")
    return language.text("moment.minutes", minutes=minutes)


def relative(language: Language, at: datetime, now: datetime) -> str:
    """``il y a 12 min``, ``dans 3 h 20``, or «à l’instant» below one minute."""
    if abs(now - at) < timedelta(minutes=1):
        return language.text("moment.just_now")
    return language.text("moment.ago" if at <= now else "moment.ahead", span=duration(language, now - at))


def element(language: Language, at: datetime | None, now: datetime, *, beside: bool = True, short: bool = False) -> Markup:
    """The instant as HTML: a ``time`` element with UTC in its tooltip, and how long ago beside it."""
    if at is None:
        return Markup('<span class="muted">–</span>')
    shown = local_short(language, at, now) if short else local(language, at)
    stamp = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    moment = Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, utc(at), shown)
    if not beside:
        return moment
    return Markup('{} <span class="ago">{}</span>').format(moment, relative(language, at, now))
