"""Step-up (RFC 9470): a resource that needs a better or a fresher login says so, and the client asks for just that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: Levels in order, named as PSC names those of the eIDAS regulation. Discovery lists them from here.
ACR_LEVELS: Final[Mapping[str, int]] = {"eidas1": 1, "eidas2": 2, "eidas3": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequirement:
    """The least level, and the greatest age of the login; None where it does not matter."""

    acr: str | None = None
    max_age: timedelta | None = None

    def is_met(self, *, acr: str | None, auth_time: datetime | None, now: datetime) -> bool:
        """Whether a login of this level at that time is enough; a token that says nothing of a login is not."""
        if self.acr is not None and ACR_LEVELS.get(acr or "", 0) < ACR_LEVELS[self.acr]:
            return False
        return self.max_age is None or (auth_time is not None and now - auth_time <= self.max_age)

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the client sends to the authorization endpoint to get there (§3, §4)."""
        asked = {"acr_values": self.acr, "max_age": None if self.max_age is None else str(int(self.max_age.total_seconds()))}
        return {name: value for name, value in asked.items() if value is not None}
