"""Accounts in the logs of Windows and in ECS: which names are people's, which belong to machines and to the system itself.

A machine's account ends in ``$``; the system's own accounts and the built-in ones have names and security identifiers of their own, in the
language of the installation (English and French are known). What is left is taken for a person.

Source: Microsoft, «Well-known SIDs», «Service accounts», «Local accounts».
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_OF_SYSTEM: Final = frozenset(
    {
        *("nt authority", "autorite nt", "autorité nt", "nt service", "builtin", "window manager", "font driver host", "iis apppool"),
        *("nt virtual machine", "app package authority", "mandatory label"),
    }
)
_BUILT_IN: Final = frozenset(
    {
        *("", "-", "system", "système", "localsystem", "local system", "local service", "service local", "localservice", "network service"),
        *(
            "service réseau",
            "networkservice",
            "anonymous logon",
            "anonymous",
            "administrator",
            "administrateur",
            "guest",
            "invité",
            "krbtgt",
        ),
        *("defaultaccount", "wdagutilityaccount", "everyone", "tout le monde", "none", "null", "n/a", "nobody", "root"),
    }
)
_OF_SESSIONS: Final = re.compile(r"(?:dwm|umfd)-\d+")
_SID: Final = re.compile(r"s-1-[0-9-]+")
#: Relative identifiers below this are the domain's built-in accounts and groups.
_FIRST_PERSONAL_RID: Final = 1000
_PERSONAL_SID: Final = re.compile(r"s-1-(?:5-21(?:-\d+){3}|12-1(?:-\d+){3})-(\d+)")
#: The folder of a person's files, in a path of Windows, macOS or Linux.
#: The registry names accounts below ``\SAM\SAM\Domains\Account\Users\Names\``, which is no folder of anybody called Names.
_HOME: Final = re.compile(
    r"(?i)([\\/](?:users|home|documents and settings|utilisateurs)[\\/](?:(?<=\\account\\users\\)names\\)?)([^\\/:*?\"<>|\r\n]+)"
)
_SESSION: Final = re.compile(r"(?i)(\b(?:connected )?(?:user|utilisateur) ?= ?)([^\r\n;,]+)")
_NO_HOMES: Final = frozenset(
    {"public", "default", "default user", "all users", "defaultapppool", "shared", "appdata", "$user", "%username%", "linuxbrew"}
)


@lru_cache(maxsize=65_536)
def person_of(text: str) -> str:
    """The person's own account in ``DOMAIN\\name``, ``name@domain`` or ``name``, in small letters; empty where it is nobody's.

    A security identifier of a person is its own.
    """
    domain, _, name = text.strip().rpartition("\\")
    lowered = name.partition("@")[0].strip().lower() if not domain else name.strip().lower()
    if domain.strip().lower() in _OF_SYSTEM or lowered in _BUILT_IN or lowered.endswith("$") or _OF_SESSIONS.fullmatch(lowered):
        return ""
    if _SID.fullmatch(lowered):
        found = _PERSONAL_SID.fullmatch(lowered)
        return lowered if found and (lowered.startswith("s-1-12-") or int(found[1]) >= _FIRST_PERSONAL_RID) else ""
    return lowered


def renamed(text: str, pseudonym_of: Callable[[str], str]) -> str:
    """The text of an account with the person replaced and the rest as it was: ``PANDALAB\\pedro`` becomes ``PANDALAB\\P-…``."""
    person = person_of(text)
    if not person:
        return text
    before, backslash, name = text.rpartition("\\")
    after = "" if backslash else name[len(name.partition("@")[0]) :]
    return f"{before}{backslash}{pseudonym_of(person)}{after}"


def homes_renamed(text: str, pseudonym_of: Callable[[str], str]) -> str:
    """A text with the people's folders in its paths replaced: ``C:\\Users\\pedro\\a.txt`` becomes ``C:\\Users\\P-…\\a.txt``."""

    def replaced(match: re.Match[str]) -> str:
        person = "" if match[2].lower() in _NO_HOMES else person_of(match[2])
        return match[1] + pseudonym_of(person) if person else match[0]

    return _HOME.sub(replaced, text)


@lru_cache(maxsize=65_536)
def names_home(text: str) -> bool:
    """Whether a text may name a folder of a person. Most texts of a log have come before and do not."""
    return _HOME.search(text) is not None


def sessions_renamed(text: str, pseudonym_of: Callable[[str], str]) -> str:
    r"""The context that PowerShell writes with each command, ``User = PANDALAB\pedro``, with the person replaced."""
    return _SESSION.sub(lambda match: match[1] + renamed(match[2], pseudonym_of), text)
