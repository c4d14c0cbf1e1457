"""What telling others works with."""

from dataclasses import dataclass
from datetime import timedelta

from idp.audit import AuditLog
from idp.clock import Now
from idp.keys import Seal
from idp.outbound import Outbound
from idp.store import Store
from idp.tokens import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The provider's parts, and for how long a message is tried before it is given up."""

    store: Store
    tokens: Issuer
    audit: AuditLog
    outbound: Outbound
    clock: Now
    horizon: timedelta
    #: Under which the secrets of streams are kept.
    seal: Seal


class Undeliverable(Exception):
    """Trying again cannot help: nobody is there any more to be told. The text says who is missing."""
