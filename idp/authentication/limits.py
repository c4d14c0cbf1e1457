"""How often a person or an address may try, at every door of login alike.

One counter per account, whatever the door (identifying in a browser, a PIN on a phone), reset by a success; one per source
address. Both are sliding periods. An address from which the person has logged in before has a counter of its own, so that
a stranger's attempts from elsewhere never keep them out.
An account is counted under a keyed hash of what was typed, so that a person who does not exist is limited like one who does.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

from idp.authentication.refusal import AuthenticationRefused
from idp.http import counted_network
from idp.model import Limits
from idp.store import CounterStore

#: For how long an address from which someone has logged in stays familiar.
FAMILIARITY: Final = timedelta(days=30)


def normalised_national_id(typed: str) -> str:
    """The PS_IdNat a person meant: spaces dropped, and the type digit 8 put before a bare RPPS of eleven digits."""
    value = re.sub(r"\s", "", typed)
    return f"8{value}" if re.fullmatch(r"[0-9]{11}", value) else value


def shadow_account_id(pepper: bytes, national_id: str) -> str:
    """A stable stand-in for the account of whoever was typed, which belongs to nobody and reveals nothing."""
    return "shadow-" + hmac.new(pepper, f"account\0{national_id}".encode(), hashlib.sha256).hexdigest()[:32]


async def admit(counters: CounterStore, limits: Limits, *, shadow_id: str, ip: str, now: datetime) -> None:
    """Count one attempt of an account and of an address.

    Raises AuthenticationRefused ``too_many_attempts`` when either is beyond its limit.
    """
    await admit_address(counters, limits, ip=ip, now=now)
    await admit_account(counters, limits, shadow_id=shadow_id, ip=ip, now=now)


async def admit_account(counters: CounterStore, limits: Limits, *, shadow_id: str, ip: str, now: datetime) -> None:
    """Count one attempt of an account alone: the address is that of a service that serves many people and has proved itself."""
    familiar = await counters.peek(_familiar_key(shadow_id, ip), within=FAMILIARITY, now=now) > 0
    key = _account_key(shadow_id, ip if familiar else None)
    count = await counters.count(key, within=limits.window, now=now)
    if count > limits.account_attempt_count:
        raise _too_many("this account", limits)


async def admit_address(counters: CounterStore, limits: Limits, *, ip: str, now: datetime) -> None:
    """Count one attempt of an address, where no account is known yet (enrolment)."""
    count = await counters.count(f"attempts:address:{counted_network(ip)}", within=limits.window, now=now)
    if count > limits.source_attempt_count:
        raise _too_many("this address", limits)


async def admit_device(counters: CounterStore, limits: Limits, *, ip: str, now: datetime) -> None:
    """Count one device authorization that an address asks for: a counter of its own, so that no device keeps people from logging in."""
    count = await counters.count(f"attempts:device-authorization:{counted_network(ip)}", within=limits.window, now=now)
    if count > limits.source_attempt_count:
        raise _too_many("this address", limits)


async def count_failure(counters: CounterStore, limits: Limits, *, shadow_id: str, now: datetime) -> None:
    """Count a failure seen at another door (wrong PIN, wrong code)."""
    await counters.count(_account_key(shadow_id), within=limits.window, now=now)


async def forgive(counters: CounterStore, *, shadow_id: str, ip: str, now: datetime) -> None:
    """A success forgets the account's attempts and makes the address familiar; the address keeps its own count."""
    await counters.reset(_account_key(shadow_id), _account_key(shadow_id, ip))
    await counters.count(_familiar_key(shadow_id, ip), within=FAMILIARITY, now=now, anew=True)


def _account_key(shadow_id: str, familiar_ip: str | None = None) -> str:
    return f"attempts:account:{shadow_id}:{counted_network(familiar_ip)}" if familiar_ip else f"attempts:account:{shadow_id}"


def _familiar_key(shadow_id: str, ip: str) -> str:
    return f"familiar:{shadow_id}:{counted_network(ip)}"


def _too_many(subject: str, limits: Limits) -> AuthenticationRefused:
    seconds = int(limits.window.total_seconds())
    return AuthenticationRefused("too_many_attempts", f"too many attempts for {subject}", status=429, retry_after_seconds=seconds)
