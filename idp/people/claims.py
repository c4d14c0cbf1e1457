"""What a Pro Santé Connect client is told of a professional: the whole userinfo tree (identity.md §4).

A directory entry is stored once; this adds what depends on the login: ``sub``, the means used and its level.
"""

from collections.abc import Mapping
from typing import Final

from idp.model import Account
from idp.people.directory import directory_entry
from idp.tokens.claims import AUTH_MODES

#: ``Palier_Authentification`` (TRE_R231) by the level reached. The pairing is ours: PSC publishes none (identity.md §12.1).
PALIERS: Final[Mapping[str, str]] = {"eidas1": "APPPRIP2", "eidas2": "APPPRIP3", "eidas3": "APPPRIP3"}
_PALIER_OID: Final = "1.2.250.1.213.1.5.1.1.1"


def psc_userinfo(account: Account, method: str, *, sub: str, acr: str) -> dict[str, object]:
    """The userinfo of a PSC client: every leaf of identity.md §4, ``""`` where the directory knows nothing.

    ``method`` and ``acr`` are those of the login; ``sub`` is the client's (``f:<storage uuid>:<national id>``).
    """
    palier = PALIERS.get(acr, "")
    return {
        **_complete(account),
        "sub": sub,
        "authMode": AUTH_MODES.get(method, method.upper()),
        "Palier_Authentification": f"{palier}^{_PALIER_OID}" if palier else "",
    }


def _complete(account: Account) -> Mapping[str, object]:
    """The stored entry over an empty one, so that an entry stored by hand or by an older release still has every claim."""
    empty = directory_entry(
        national_id=account.national_id or "",
        given_name=account.given_name,
        family_name=account.family_name,
        civility="",
        exercices=(),
        overrides={},
    )
    return {**empty, **account.directory}
