"""Whether an access token counts now: the one check that userinfo, introspection and the administration API share."""

from dataclasses import dataclass

from idp.errors import InvalidToken
from idp.model import AccessTokenRecord, Account, AccountState, Client, Grant
from idp.provider import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A live access token with everything it stands for; ``account`` is None for a client acting for itself."""

    record: AccessTokenRecord
    grant: Grant
    client: Client
    account: Account | None


async def find_access(provider: Provider, token: str) -> Access | None:
    """None unless we signed it and nothing behind it has ended: token, grant, session, account or client."""
    jti = provider.tokens.recognise(token)
    record = await provider.store.tokens.get_access_token(jti, provider.clock()) if jti else None
    if record is None:
        return None
    grant = await provider.store.tokens.get_grant(record.grant_id)
    client = await provider.store.clients.get(record.client_id)
    if grant is None or client is None or client.disabled:
        return None
    if record.account_id is None:
        return Access(record=record, grant=grant, client=client, account=None)
    account = await provider.store.accounts.get(record.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        return None
    return Access(record=record, grant=grant, client=client, account=account)


async def require_access(provider: Provider, token: str) -> Access:
    """The same, or :class:`InvalidToken` (RFC 6750 §3.1)."""
    access = await find_access(provider, token)
    if access is None:
        raise InvalidToken("the access token is expired, revoked or not ours")
    return access
