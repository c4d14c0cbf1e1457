"""How a browser and a place are called on a page, from what requests say of them."""

from typing import Final

from idp.authentication.places import Places

#: Marks in a User-Agent, the more particular first, and the names that people know.
_BROWSERS: Final = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS: Final = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)
#: Longest unknown name that is shown as it is, in characters.
_SHOWN: Final = 60


def browser_and_system(user_agent: str) -> tuple[str, str]:
    """Both as people call them; empty where the User-Agent does not say."""
    return _named(_BROWSERS, user_agent), _named(_SYSTEMS, user_agent)


def _named(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")


def device_name(user_agent: str, pattern: str, unknown: str) -> str:
    """``pattern`` with ``{browser}`` and ``{system}``, or the one that is known, or the beginning of what was sent, or ``unknown``."""
    browser, system = browser_and_system(user_agent)
    if browser and system:
        return pattern.format(browser=browser, system=system)
    printable = "".join(character for character in user_agent if character.isprintable())
    return browser or system or printable[:_SHOWN] or unknown


def place_name(places: Places, address: str, unknown: str) -> str:
    """City and country code of an address, or ``unknown``."""
    place = places(address)
    named = [part for part in (place.city_name, place.country_iso_code) if part] if place else []
    return ", ".join(named) or unknown
