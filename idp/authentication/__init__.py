"""How a person proves who they are: the means of login, and the door they all go through.

Owns device approval (a phone that holds a key, opened by a PIN, with a code to choose among three), cards (a certificate and its key,
shown in the handshake of TLS), enrolment and the limits on attempts. Does not own sessions, nor what a client may ask. Start with
:mod:`.device_login` and :mod:`.card_login`, the paths of one login; :mod:`.device_approval`, :mod:`.device_request`, :mod:`.pin` and
:mod:`.card_certificate` are their decisions.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from idp.tokens.step_up import ACR_LEVELS


class Method(NamedTuple):
    """What a means of login yields: ``amr`` (RFC 8176 values) and the ``acr`` it can reach (eIDAS level by name)."""

    amr: tuple[str, ...]
    acr: str

    @property
    def level(self) -> int:
        """Its place among :data:`idp.tokens.step_up.ACR_LEVELS`."""
        return ACR_LEVELS.get(self.acr, 0)


#: Every means of login by its name, which is also ``health.authentication.method`` in the audit log, with what it yields where the
#: operator does not say otherwise. Which of them are offered, the provider knows (``Provider.methods``).
METHODS: Final[Mapping[str, Method]] = {
    "device": Method(amr=("hwk", "pin"), acr="eidas2"),
    "certificate": Method(amr=("sc", "pin", "mfa", "hwk"), acr="eidas3"),
}


def best_acr(offered: Mapping[str, Method]) -> str:
    """The highest level that one of these reaches."""
    return max(offered.values(), key=lambda method: method.level).acr
