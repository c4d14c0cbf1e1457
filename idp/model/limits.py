"""How long things live and how often one may try."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long what does not depend on a client's profile lives (those that do: :mod:`idp.profiles`)."""

    session_idle: timedelta = timedelta(minutes=30)
    session_max: timedelta = timedelta(hours=4)
    interaction: timedelta = timedelta(minutes=10)
    approval: timedelta = timedelta(seconds=120)
    pushed_request: timedelta = timedelta(seconds=90)
    enrolment: timedelta = timedelta(hours=24)
    device_code: timedelta = timedelta(minutes=10)
    consent: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many attempts fall within ``window`` before the next is refused; one counter for every door."""

    window: timedelta = timedelta(minutes=15)
    client_failure_count: int = 20
    account_attempt_count: int = 20
    source_attempt_count: int = 100
    wrong_pin_count: int = 3
