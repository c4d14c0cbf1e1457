"""What an authorization request presents besides itself: a pushed request, for one answer; a request object, for one use; a fetched one."""

from collections.abc import Mapping

from idp.authorization import AuthorizationRequest
from idp.authorization.check_request_object import PUSHED_PREFIX
from idp.errors import InvalidRequestObject, OperationError
from idp.model import Client, PushedRequest
from idp.provider import Provider
from idp.store import CounterStore
from idp.tokens.issuer import hash_token


async def find_pushed(provider: Provider, parameters: Mapping[str, str], browser_hash: str | None) -> PushedRequest | None:
    """The pushed request that ``request_uri`` stands for in this browser; None when it stands for none.

    Looking does not spend it (FAPI 2.0 §5.3.2.2, note 3): a page may be loaded again until the client has its answer.
    """
    request_uri, client_id = parameters.get("request_uri", ""), parameters.get("client_id")
    if client_id is None or not request_uri.startswith(PUSHED_PREFIX):
        return None
    reference = hash_token(request_uri.removeprefix(PUSHED_PREFIX))
    return await provider.store.pushed_requests.find(reference, client_id, browser_hash, provider.clock())


async def answers_pushed(provider: Provider, pushed_hash: str | None) -> bool:
    """Whether the client may be answered: a pushed request is spent by that (RFC 9126 §7.3), once, whatever the answer is."""
    return pushed_hash is None or await provider.store.pushed_requests.answer(pushed_hash)


async def fetch_object(provider: Provider, client: Client | None, request_uri: str | None) -> str | None:
    """What a registered ``request_uri`` holds (OpenID Connect Core §6.2); None for every other address, which is never touched.

    A fragment tells a cache that something else is there now. Nothing is cached here, so it has no meaning: what is there counts by
    its signature alone, and clients register fragments before the object is made.
    """
    if client is None or request_uri is None or request_uri not in client.request_uris:
        return None
    try:
        body = await provider.outbound.get(request_uri.partition("#")[0], accept="application/oauth-authz-req+jwt, application/jwt")
        return body.decode("ascii").strip()
    except (OperationError, UnicodeDecodeError):
        return None


async def refuse_second_use(counters: CounterStore, asked: AuthorizationRequest) -> None:
    """A request object with a ``jti`` counts once until it expires; raises :class:`InvalidRequestObject`."""
    if asked.object_id is None:
        return
    key = f"request-object:{asked.proved_client.client_id}:{asked.object_id.jti}"
    if not await counters.remember_once(key, until=asked.object_id.expires_at, now=asked.now):
        raise InvalidRequestObject("the request object was used before: give each a jti of its own")
