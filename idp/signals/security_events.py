"""Security events (RFC 8417) in the words of CAEP: which stream hears of a signal, what it is told, and how it is pushed (RFC 8935).

A client hears of people who came to it, and of nobody else, unless it is registered for everybody (``ssf.all_subjects``: the watch).
Names of phones and the words of a reason go to such a client alone.
"""

from typing import Any, Final

from idp.clock import ordered_id
from idp.model import Account, Client, Delivery, DeliveryKind, DeliveryState, Signal, SignalKind, Stream, StreamStatus
from idp.signals.services import Services, Undeliverable
from idp.tokens.claims import seconds

#: Client scope values: to manage and read a stream (CAEP Interoperability Profile §2.7.3), and to hear of everybody.
MANAGE, READ, EVERYBODY = "ssf.manage", "ssf.read", "ssf.all_subjects"

SESSION_REVOKED: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CREDENTIAL_CHANGE: Final = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
VERIFICATION: Final = "https://schemas.openid.net/secevent/ssf/event-type/verification"
#: What a stream may ask for; a verification comes to everyone who asks.
EVENTS: Final = (SESSION_REVOKED, CREDENTIAL_CHANGE)
_OF_KIND: Final = {SignalKind.SESSION_ENDED: SESSION_REVOKED, SignalKind.CREDENTIAL_CHANGED: CREDENTIAL_CHANGE}


async def events_of(signal: Signal, services: Services) -> list[Delivery]:
    """One message for each stream that wants to hear of it and may."""
    event_type = _OF_KIND.get(signal.kind)
    account = await services.store.accounts.get(signal.account_id)
    if event_type is None or account is None:
        return []
    reached = set(signal.client_ids) | {v.client_id for v in await services.store.sessions.visits(signal.account_id, services.clock())}
    made: list[Delivery] = []
    for stream in await services.store.streams.all():
        client = await services.store.clients.get(stream.client_id)
        if client is None or not hears(stream, client, event_type) or not (EVERYBODY in client.scope or client.client_id in reached):
            continue
        subject = _subject(signal, services.tokens.subject(client, account), issuer=services.tokens.issuer)
        made.append(new_event(stream, services, event_type, subject, _told(signal, client), account))
    return made


def hears(stream: Stream, client: Client, event_type: str) -> bool:
    """Whether the stream asked for such events and its client is still served and still may."""
    served = not client.disabled and not {MANAGE, READ}.isdisjoint(client.scope)
    return served and stream.status is not StreamStatus.DISABLED and event_type in stream.events_requested


def new_event(
    stream: Stream, services: Services, event_type: str, subject: dict[str, Any], told: dict[str, Any], account: Account | None = None
) -> Delivery:
    """A message whose identifier is its ``jti``: however often it is sent, it is one event. No ``exp``, no ``sub`` (SSF §4.1)."""
    now = services.clock()
    jti = ordered_id(now)
    pushed = stream.endpoint_url is not None and stream.status is StreamStatus.ENABLED
    return Delivery(
        id=jti,
        kind=DeliveryKind.SECURITY_EVENT,
        recipient=stream.id,
        created_at=now,
        due_at=now,
        account_id=account.id if account else None,
        session_id=subject.get("session", {}).get("id"),
        state=DeliveryState.WAITING if pushed else DeliveryState.HELD,
        claims={
            "iss": services.tokens.issuer,
            "jti": jti,
            "iat": seconds(now),
            "aud": stream.client_id,
            "sub_id": subject,
            "events": {event_type: told},
        },
    )


def _subject(signal: Signal, sub: str, *, issuer: str) -> dict[str, Any]:
    """RFC 9493: the person as this client knows them; with the session where it is one that ended (CAEP §3.1)."""
    user = {"format": "iss_sub", "iss": issuer, "sub": sub}
    if signal.session_id is None:
        return user
    return {"format": "complex", "user": user, "session": {"format": "opaque", "id": signal.session_id}}


def _told(signal: Signal, client: Client) -> dict[str, Any]:
    told: dict[str, Any] = {"event_timestamp": seconds(signal.at), "initiating_entity": signal.cause_initiator, **signal.details}
    if EVERYBODY not in client.scope:
        told.pop("friendly_name", None)
    if signal.cause_reason and EVERYBODY in client.scope:
        told["reason_admin"] = {"en": signal.cause_reason}
    return told


async def push_event(delivery: Delivery, services: Services) -> str:
    """What went wrong, empty when the receiver took it (RFC 8935 §2.2). Raises as :func:`idp.signals.backchannel_logout.send_logout`."""
    stream = await services.store.streams.get(delivery.recipient)
    client = await services.store.clients.get(stream.client_id) if stream else None
    if stream is None or stream.endpoint_url is None or client is None or client.disabled:
        raise Undeliverable("the stream is gone, or its client is not served any more")
    if stream.status is not StreamStatus.ENABLED:
        return f"the stream is {stream.status}"
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    if stream.sealed_authorization is not None:
        headers["Authorization"] = services.seal.open(stream.id, bytes.fromhex(stream.sealed_authorization)).decode("ascii")
    status = await services.outbound.post(
        stream.endpoint_url, headers=headers, body=(await services.tokens.sign_event(delivery.claims)).encode()
    )
    return "" if status in (200, 202) else f"the receiver answered {status}"
