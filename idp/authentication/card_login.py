"""A login by card: invite it, hear what it proves at the address where browsers are asked for certificates, and take that proof once.

That address has a host name or a port of its own, because a server of TLS asks for certificates before it knows what is asked for. The
cookie of the login need not reach it, so two secrets bind what happens there to one browser: a ticket, which only the browser of the login
is sent off with, and a proof, which only the browser that showed the card brings back. Whoever lures somebody else to a ticket of their
own never sees the proof; whoever comes back with a proof must have the cookie too, and is shown a name before anything begins.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import Final

from idp.authentication.card_certificate import Card, Cards, HeldCardRefused
from idp.authentication.device_approval import Origin
from idp.authentication.device_login import Doors, give_up
from idp.authentication.limits import admit_account, admit_address, forgive, shadow_account_id
from idp.authentication.refusal import AuthenticationRefused
from idp.model import Account, AccountState, Interaction
from idp.tokens.certificate import Certificate
from vocabulary.audit import AuditAction, AuditValue, Outcome

METHOD: Final = "certificate"


def hash_card_secret(value: str) -> str:
    """Of a ticket or a proof, as an interaction keeps it."""
    return hashlib.sha256(f"card\0{value}".encode()).hexdigest()


async def invite(doors: Doors, interaction: Interaction, origin: Origin) -> str:
    """A ticket with which this login's browser goes and shows a card; the question on a phone, if one waits, is over."""
    await give_up(doors, interaction, origin, reason="a card was chosen instead")
    ticket = secrets.token_urlsafe(32)
    await doors.store.interactions.put(
        replace(_forgotten(interaction), approval_id=None, card_ticket_hash=hash_card_secret(ticket), card_fault=None)
    )
    return ticket


def holds_ticket(interaction: Interaction, ticket: str) -> bool:
    """Whether the ticket is the one that this login was given last."""
    expected = interaction.card_ticket_hash or ""
    return bool(expected) and hmac.compare_digest(hash_card_secret(ticket), expected)


async def present(
    doors: Doors, cards: Cards, interaction: Interaction, certificate: Certificate | AuthenticationRefused, origin: Origin
) -> str:
    """What the handshake showed, or why there is nothing to look at; returns the proof that the browser brings back.

    The same counters as at every other door, and each refusal is kept for the page that tells it. Raises AuthenticationRefused: those of
    :meth:`Cards.read`, ``card_unknown``, ``card_suspended``, ``too_many_attempts``.
    """
    thumbprint = None if isinstance(certificate, AuthenticationRefused) else certificate.hexadecimal
    national_id: str | None = None
    now = doors.clock()
    try:
        await admit_address(doors.store.counters, doors.limits, ip=origin.ip, now=now)
        if isinstance(certificate, AuthenticationRefused):
            raise certificate
        card = await asyncio.to_thread(cards.read, certificate, now)
        national_id = card.national_id
        account = await _holder(doors, card, origin)
    except AuthenticationRefused as refusal:
        await doors.store.interactions.put(replace(_forgotten(interaction), card_fault=refusal.error))
        fields = login_fields(interaction, origin, thumbprint, refusal.detail)
        # The identifier that an authority of cards has signed is told; any other would be whatever somebody wrote into a certificate.
        told = refusal.national_id if isinstance(refusal, HeldCardRefused) else national_id
        doors.audit.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, fields | {"user.id": told})
        raise
    proof = secrets.token_urlsafe(32)
    proved = replace(
        interaction,
        card_fault=None,
        card_proof_hash=hash_card_secret(proof),
        card_account_id=account.id,
        card_thumbprint=card.thumbprint,
        card_proved_at=now,
    )
    await doors.store.interactions.put(proved)
    return proof


async def _holder(doors: Doors, card: Card, origin: Origin) -> Account:
    """Whoever holds a card that holds has proved it, and may be told how their account stands."""
    shadow_id = shadow_account_id(doors.pepper, card.national_id)
    await admit_account(doors.store.counters, doors.limits, shadow_id=shadow_id, ip=origin.ip, now=doors.clock())
    account = await doors.store.accounts.find_by_national_id(card.national_id)
    if account is None:
        raise AuthenticationRefused("card_unknown", "nobody has the identifier of this card", status=403)
    if account.state is not AccountState.ACTIVE:
        raise AuthenticationRefused("card_suspended", "the account is suspended", status=403)
    return account


async def proved(doors: Doors, interaction: Interaction, proof: str) -> Account | None:
    """The person whom the card proved, while the proof is fresh; None for any other, an older one, or somebody suspended since."""
    expected, proved_at = interaction.card_proof_hash or "", interaction.card_proved_at
    if not expected or proved_at is None or not hmac.compare_digest(hash_card_secret(proof), expected):
        return None
    if doors.clock() - proved_at > doors.approval_lifetime:
        return None
    account = await doors.store.accounts.get(interaction.card_account_id or "")
    return account if account is not None and account.state is AccountState.ACTIVE else None


async def take_proof(doors: Doors, interaction: Interaction, proof: str, origin: Origin) -> Account | None:
    """The same, once: it begins a session. A success forgets the account's attempts."""
    account = await proved(doors, interaction, proof)
    now = doors.clock()
    key = f"card:{interaction.card_proof_hash}"
    if account is None or not await doors.store.counters.remember_once(key, until=interaction.expires_at, now=now, lasting=False):
        fields = login_fields(interaction, origin, None, "the proof of the card is used, too old, or of another login")
        doors.audit.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, fields)
        return None
    await forgive(doors.store.counters, shadow_id=shadow_account_id(doors.pepper, account.national_id or account.id), ip=origin.ip, now=now)
    return account


def login_fields(interaction: Interaction, origin: Origin, thumbprint: str | None, reason: str = "") -> dict[str, AuditValue | None]:
    """The audit fields of what happens to a card; of its certificate nothing but the thumbprint."""
    return {
        "source.ip": origin.ip,
        "user_agent.original": origin.user_agent,
        "health.relying_party.id": interaction.client_id,
        "health.authentication.method": METHOD,
        "tls.client.hash.sha256": thumbprint,
        "event.reason": reason,
    }


def _forgotten(interaction: Interaction) -> Interaction:
    """Without what an earlier card proved."""
    return replace(interaction, card_proof_hash=None, card_account_id=None, card_thumbprint=None, card_proved_at=None)
