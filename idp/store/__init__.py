"""The provider's stores: small ports named for their promise, and the engines that keep it.

Registry ports hold what is durable and administrable; grant-state ports hold what is used once or expires.
A port says «expired means absent»: the caller passes ``now``. Writes return only once durable, except *notes*, of what could at
worst have to be begun again: seen by all when they return, they survive the process; a power cut takes back the last of them, never
one before a write (docs/decisions/0020). Who refuses for good calls :meth:`Store.settle` first, which puts them on the disk.
Writes begun together (``asyncio.gather``) become durable together, at the price of one; notes are cheaper one after the other.
Every engine sits the exam of ``tests/idp/store/exam.py``.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from idp.model import (
    BY_SYSTEM,
    AccessTokenRecord,
    Account,
    Approval,
    AuthorizationCode,
    AwaitedRequest,
    Cause,
    Client,
    Consent,
    Device,
    DeviceAuthorization,
    Enrolment,
    Grant,
    InitialAccessToken,
    Interaction,
    PushedRequest,
    RefreshToken,
    Refusal,
    Revocation,
    Session,
    Visit,
)
from idp.store.telling import DeliveryStore, SignalStore, StreamStore

__all__ = ["DeliveryStore", "SignalStore", "StreamStore"]


class ClientStore(Protocol):
    """Relying parties."""

    async def get(self, client_id: str) -> Client | None: ...
    async def put(self, client: Client) -> None: ...
    async def exchange(self, before: Client | None, after: Client) -> bool:
        """Put ``after`` in the place of ``before`` (None: of nothing), atomically; false (and no change) when something else is there."""
        ...

    async def all(self) -> Sequence[Client]: ...
    async def delete(self, client_id: str) -> None: ...
    async def put_initial_token(self, token: InitialAccessToken) -> None: ...
    async def get_initial_token(self, token_hash: str, now: datetime) -> InitialAccessToken | None:
        """None when it is unknown, has expired or is used up."""
        ...

    async def use_initial_token(self, token_hash: str, client: Client, now: datetime) -> bool:
        """Store the client and count one use, together; false (and nothing stored) when none is left."""
        ...


class AccountStore(Protocol):
    """People."""

    async def get(self, account_id: str) -> Account | None: ...
    async def find_by_national_id(self, national_id: str) -> Account | None:
        """Also finds a bare 11-digit RPPS (type digit 8 implied)."""
        ...

    async def put(self, account: Account) -> None: ...
    async def all(self) -> Sequence[Account]: ...


class DeviceStore(Protocol):
    """Enrolled phones and the one-time rights to enrol."""

    async def get(self, device_id: str) -> Device | None: ...
    async def of_account(self, account_id: str) -> Sequence[Device]: ...
    async def put(self, device: Device) -> None: ...
    async def count_wrong_pin(self, device_id: str, *, blocked_at: int) -> Device:
        """Add one wrong PIN, atomically; block the device at ``blocked_at``. A note: settle it before a refusal."""
        ...

    async def note_right_pin(self, device: Device) -> None: ...
    async def grant_enrolment(self, enrolment: Enrolment) -> None: ...
    async def consume_enrolment(self, code_hash: str, now: datetime) -> Enrolment | None:
        """Return it once and only once."""
        ...


class InteractionStore(Protocol):
    """Authorization requests that wait for a person, and the questions put to their devices. Its writes are notes."""

    async def get(self, interaction_id: str, now: datetime) -> Interaction | None: ...
    async def put(self, interaction: Interaction) -> None: ...
    async def delete(self, interaction_id: str) -> None: ...
    async def put_approval(self, approval: Approval) -> None:
        """Store a new question."""
        ...

    async def see_approval(self, approval: Approval) -> bool:
        """Note that a phone has shown a question that was requested; false when it was seen or answered meanwhile."""
        ...

    async def get_approval(self, approval_id: str) -> Approval | None: ...
    async def pending_approvals(self, account_id: str, now: datetime) -> Sequence[Approval]:
        """Requested or seen, not expired, oldest first."""
        ...

    async def unanswered_approvals(self, now: datetime) -> Sequence[Approval]:
        """Requested or seen, and expired: nobody has ended them yet."""
        ...

    async def settle_approval(self, approval: Approval) -> bool:
        """Store a final state; false (and no change) when it was final already: one answer wins."""
        ...


class PushedRequestStore(Protocol):
    """Authorization requests that clients pushed: each is one browser's, and gets one answer. Its writes are notes."""

    async def put(self, request: PushedRequest) -> None: ...
    async def find(self, request_hash: str, client_id: str, browser_hash: str | None, now: datetime) -> PushedRequest | None:
        """None when another client pushed it, another browser keeps it, it has expired or was answered."""
        ...

    async def keep(self, request_hash: str, browser_hash: str, until: datetime) -> bool:
        """Make it this browser's, and remember it until its login ends; false when it is another's or was answered: the first wins."""
        ...

    async def answer(self, request_hash: str) -> bool:
        """True once and only once, also after it has expired, for the login that it began."""
        ...


class SessionStore(Protocol):
    """Single sign-on sessions. Beginning and using one are notes, ending one is not."""

    async def get(self, session_id: str, now: datetime) -> Session | None: ...
    async def find_by_cookie(self, cookie_hash: str, now: datetime) -> Session | None: ...
    async def put(self, session: Session) -> None: ...
    async def touch(self, session: Session, now: datetime, expires_at: datetime) -> bool:
        """Note a use and move the expiry; false when the session is gone: a late use never brings it back."""
        ...

    async def of_account(self, account_id: str, now: datetime) -> Sequence[Session]: ...
    async def visits(self, account_id: str, now: datetime) -> Sequence[Visit]:
        """Which services got tokens by which session of a person, oldest first; also by sessions that have ended, for a day."""
        ...

    async def visits_of_session(self, session_id: str, now: datetime) -> Sequence[Visit]: ...
    async def delete(self, session_id: str) -> None: ...


class CodeStore(Protocol):
    """Authorization codes. Its writes are notes: what a code gives is a write, and a refusal settles."""

    async def put(self, code: AuthorizationCode) -> None: ...
    async def consume(self, code_hash: str, now: datetime) -> AuthorizationCode | None:
        """Return the code once and only once; absent, expired and consumed are all None."""
        ...

    async def consumed_grant(self, code_hash: str) -> str | None:
        """The grant of a code already consumed, so that a replay can revoke it (RFC 9700 §4.5)."""
        ...


class AwaitedStore(Protocol):
    """Requests of services that a person answers elsewhere (CIBA).

    One that has expired is still found for a while, so that the service hears that it has. Putting, asking and consuming are notes.
    """

    async def put(self, request: AwaitedRequest) -> None: ...
    async def get(self, handle_hash: str) -> AwaitedRequest | None:
        """Also one that has expired: look at ``expires_at``. None once consumed."""
        ...

    async def poll(self, handle_hash: str, now: datetime) -> bool:
        """Note that the service asks; false when it asks sooner than its interval, which is then longer by five seconds."""
        ...

    async def consume(self, handle_hash: str, now: datetime) -> AwaitedRequest | None:
        """Return it once and only once; absent, expired and consumed are all None."""
        ...

    async def claim_notifications(self, now: datetime) -> Sequence[tuple[AwaitedRequest, Approval]]:
        """Requests with a notification token whose approval is final: each is returned once."""
        ...


class DeviceCodeStore(Protocol):
    """What devices without browser ask for (RFC 8628), also for a while after it has expired. Its writes are notes."""

    async def put(self, authorization: DeviceAuthorization) -> None: ...
    async def get(self, device_code_hash: str) -> DeviceAuthorization | None:
        """Also one that has expired: look at ``expires_at``. None once consumed."""
        ...

    async def find_pending(self, user_code_hash: str, now: datetime) -> DeviceAuthorization | None:
        """By what a person typed; None once it was answered or has expired."""
        ...

    async def settle(self, authorization: DeviceAuthorization, now: datetime) -> bool:
        """Store a final state; false (and no change) when it was final already or has expired: one answer wins."""
        ...

    async def poll(self, device_code_hash: str, now: datetime) -> bool:
        """As :meth:`AwaitedStore.poll`."""
        ...

    async def consume(self, device_code_hash: str, now: datetime) -> DeviceAuthorization | None:
        """Return an approved one once and only once; absent, pending, denied, expired and consumed are all None."""
        ...


class TokenStore(Protocol):
    """Grants with their refresh and access tokens."""

    async def start_grant(self, grant: Grant, access_token: AccessTokenRecord, refresh_token: RefreshToken | None) -> None: ...
    async def get_grant(self, grant_id: str) -> Grant | None:
        """Also a revoked one: look at ``revoked_at``."""
        ...

    async def get_access_token(self, jti: str, now: datetime) -> AccessTokenRecord | None:
        """None when expired, revoked, or of a revoked grant."""
        ...

    async def get_refresh_token(self, token_hash: str) -> RefreshToken | None: ...
    async def rotate(
        self, token_hash: str, successor: RefreshToken, access_token: AccessTokenRecord, now: datetime, *, answer: bytes | None = None
    ) -> bool:
        """Replace a live refresh token by its successor, atomically, and keep the answer; false when it was rotated already."""
        ...

    async def reuse(self, token_hash: str, access_token: AccessTokenRecord, *, until: datetime) -> bool:
        """Add what a live refresh token gave without being replaced, and let it live until then; false when it is dead meanwhile."""
        ...

    async def add_access_token(self, access_token: AccessTokenRecord) -> None: ...
    async def revoke_access_token(self, jti: str, now: datetime, *, expires_at: datetime) -> None:
        """End one access token; one that is not stored (a client's own) is denied until it expires."""
        ...

    async def is_denied(self, jti: str) -> bool: ...
    async def revoke_grant(self, grant_id: str, now: datetime, cause: Cause | None = None) -> None:
        """End the family; also one that begins later under this identifier (its code was replayed meanwhile).

        With a ``cause`` its client is to hear of it (a signal); a client that revokes its own grant needs not.
        """
        ...


class RevocationStore(Protocol):
    """Ending what a person or a session holds, in one transaction, which also stores the signals for those who must hear of it.

    There is one signal for each session that lived or was visited lately, so that services hear of it whose own session outlasts ours.
    """

    async def revoke_session(self, session_id: str, now: datetime, cause: Cause = BY_SYSTEM) -> Revocation: ...
    async def revoke_account(self, account_id: str, now: datetime, cause: Cause = BY_SYSTEM) -> Revocation: ...
    async def end_expired(self, now: datetime, cause: Cause) -> Sequence[Session]:
        """End the sessions whose time is over, with what hangs on them and as loudly as any other end; each is returned to one caller."""
        ...

    async def live_grants(self, account_id: str, now: datetime) -> Sequence[Grant]:
        """The grants that revoking the person would end, oldest first."""
        ...

    async def residual(self, account_id: str, now: datetime) -> timedelta:
        """How long the person's access tokens may still be accepted offline: the longest life left, zero without any."""
        ...


class CounterStore(Protocol):
    """Things seen once and things counted: JWT ids, attempts. Counting is a note."""

    async def remember_once(self, key: str, *, until: datetime, now: datetime, lasting: bool = True) -> bool:
        """True the first time; false while remembered. A note where it need not be ``lasting``."""
        ...

    async def count(self, key: str, *, within: timedelta, now: datetime, anew: bool = False) -> int:
        """Add one, and return how many fell within the sliding period; ``anew``: forget those before."""
        ...

    async def peek(self, key: str, *, within: timedelta, now: datetime) -> int: ...
    async def reset(self, *keys: str) -> None: ...


class AnswerStore(Protocol):
    """Answers to requests that may be repeated (``Idempotency-Key``): the first one is given again."""

    async def find(self, key: str, now: datetime) -> bytes | None: ...
    async def keep(self, key: str, body: bytes, *, until: datetime, now: datetime) -> bytes:
        """Keep the first answer of a key; return the one that is kept."""
        ...


class ConsentStore(Protocol):
    """What people agreed to give services that registered themselves; gone with the service, or once its time is over."""

    async def get(self, account_id: str, client_id: str, now: datetime) -> Consent | None: ...
    async def put(self, consent: Consent, *, until: datetime) -> None: ...
    async def of_account(self, account_id: str, now: datetime) -> Sequence[Consent]:
        """Oldest first."""
        ...

    async def withdraw(self, account_id: str, client_id: str) -> bool:
        """False when there was none."""
        ...


class RefusalStore(Protocol):
    """Refused requests, kept for the developers of their client."""

    async def put(self, refusal: Refusal, *, client_count: int, source_count: int) -> None:
        """The oldest of the client, and of its source at this client, make room."""
        ...

    async def get(self, reference: str, now: datetime) -> Refusal | None: ...
    async def of_client(self, client_id: str, now: datetime) -> Sequence[Refusal]:
        """Newest first."""
        ...


class KeyStore(Protocol):
    """Sealed key material, by name: opaque bytes, newest last."""

    async def load(self) -> Sequence[tuple[str, bytes]]: ...
    async def save(self, name: str, sealed: bytes) -> None: ...
    async def delete(self, name: str) -> None: ...


class Store(Protocol):
    """All ports of one engine."""

    clients: ClientStore
    accounts: AccountStore
    devices: DeviceStore
    interactions: InteractionStore
    pushed_requests: PushedRequestStore
    sessions: SessionStore
    codes: CodeStore
    awaited: AwaitedStore
    device_codes: DeviceCodeStore
    tokens: TokenStore
    revocations: RevocationStore
    signals: SignalStore
    deliveries: DeliveryStore
    streams: StreamStore
    counters: CounterStore
    answers: AnswerStore
    consents: ConsentStore
    refusals: RefusalStore
    keys: KeyStore

    async def migrate(self) -> None: ...
    async def settle(self) -> None: ...
    async def expire(self, now: datetime) -> int:
        """Delete what has expired; return how many rows went."""
        ...

    async def close(self) -> None: ...
