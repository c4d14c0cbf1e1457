"""The actions that a playbook's steps may name, one file each.

An action acts through what it is given (:class:`Services`), never by itself; it does one thing, and doing it twice under
the same key is doing it once. Adding one: a file with a class, and a line in :data:`ACTIONS`.
"""

from collections.abc import Mapping
from typing import Final

from siem.response.action import Action, ActionKind, Services
from siem.response.actions.list_sessions import ListSessions
from siem.response.actions.notify import Notify
from siem.response.actions.open_dossier import OpenDossier
from siem.response.actions.preserve_evidence import PreserveEvidence
from siem.response.actions.revoke_sessions import RevokeSessions
from siem.response.actions.watch_account import WatchAccount

#: In the order in which a person would use them.
ACTIONS: Final[tuple[ActionKind, ...]] = (
    PreserveEvidence,
    ListSessions,
    RevokeSessions,
    WatchAccount,
    Notify,
    OpenDossier,
)


def build(services: Services) -> Mapping[str, Action]:
    """Every action by name, acting through ``services``."""
    return {kind.name: kind(services) for kind in ACTIONS}
