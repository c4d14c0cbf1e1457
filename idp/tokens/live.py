"""Whether an access token counts now: the one check behind userinfo, introspection, the administration API and token exchange."""

from dataclasses import dataclass
from datetime import datetime

from idp.model import AccessTokenRecord, Account, AccountState, Client, Grant
from idp.model.quick import quick
from idp.store import Store
from idp.tokens.issuer import Issuer
from idp.tokens.own import is_own, own_grant


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A live access token with everything it stands for; ``account`` is None for a client acting for itself."""

    record: AccessTokenRecord
    grant: Grant
    client: Client
    account: Account | None


async def find_record(tokens: Issuer, store: Store, token: str, now: datetime) -> AccessTokenRecord | None:
    """What a token of ours stands for, unless it has expired or was revoked; its client and person are not looked at."""
    found = tokens.recognise(token)
    if not isinstance(found, AccessTokenRecord):
        return await store.tokens.get_access_token(found, now) if found else None
    return None if found.expires_at <= now or await store.tokens.is_denied(found.jti) else found


async def find_live(tokens: Issuer, store: Store, token: str, now: datetime) -> Access | None:
    """None unless we signed it and nothing behind it has ended: token, grant, session, account or client."""
    record = await find_record(tokens, store, token, now)
    if record is None:
        return None
    grant = own_grant(record) if is_own(record.jti) else await store.tokens.get_grant(record.grant_id)
    client = await store.clients.get(record.client_id)
    if grant is None or client is None or client.disabled:
        return None
    if record.account_id is None:
        return Access(record=record, grant=grant, client=client, account=None)
    account = await store.accounts.get(record.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        return None
    return Access(record=record, grant=grant, client=client, account=account)
