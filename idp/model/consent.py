"""What a person has agreed to give a service that registered itself."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's yes to one service, as the page showed it; whatever of it changes is asked anew."""

    account_id: str
    client_id: str
    client_name: str
    #: Where the answer goes: host of the redirect URI, or the scheme of an app.
    place: str
    scope: frozenset[str]
    given_at: datetime

    def covers(self, wanted: "Consent") -> bool:
        """Whether nothing is asked that was not agreed to, of the same service at the same place."""
        same = (self.account_id, self.client_id, self.client_name, self.place)
        return same == (wanted.account_id, wanted.client_id, wanted.client_name, wanted.place) and wanted.scope <= self.scope
