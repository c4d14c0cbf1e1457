"""How a person proves who they are: the means of login, and the door they all go through.

Owns device approval (a phone that holds a key, opened by a PIN, with a code to choose among three), enrolment and
the limits on attempts. Does not own sessions, nor what a client may ask. Start with :mod:`.device_login`, the path
of one login; :mod:`.device_approval`, :mod:`.device_request` and :mod:`.pin` are its decisions, without input or output.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Method(NamedTuple):
    """What a means of login yields: ``amr`` (RFC 8176 values) and the ``acr`` it can reach (eIDAS level by name)."""

    amr: tuple[str, ...]
    acr: str


#: Every means of login by its name, which is also ``health.authentication.method`` in the audit log.
METHODS: Final[Mapping[str, Method]] = {
    "device": Method(amr=("hwk", "pin"), acr="eidas2"),
}
