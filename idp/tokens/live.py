"""Whether an access token counts now: the one check behind userinfo, introspection, the administration API and token exchange."""

from dataclasses import dataclass
from datetime import datetime

from idp.model import AccessTokenRecord, Account, AccountState, Client, Grant
from idp.store import Store
from idp.tokens.issuer import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A live access token with everything it stands for; ``account`` is None for a client acting for itself."""

    record: AccessTokenRecord
    grant: Grant
    client: Client
    account: Account | None


async def find_live(tokens: Issuer, store: Store, token: str, now: datetime) -> Access | None:
    """None unless we signed it and nothing behind it has ended: token, grant, session, account or client."""
    jti = tokens.recognise(token)
    record = await store.tokens.get_access_token(jti, now) if jti else None
    if record is None:
        return None
    grant = await store.tokens.get_grant(record.grant_id)
    client = await store.clients.get(record.client_id)
    if grant is None or client is None or client.disabled:
        return None
    if record.account_id is None:
        return Access(record=record, grant=grant, client=client, account=None)
    account = await store.accounts.get(record.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        return None
    return Access(record=record, grant=grant, client=client, account=account)
