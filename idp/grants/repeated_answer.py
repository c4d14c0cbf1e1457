"""A refresh that is asked twice gets its first answer twice: an answer lost on the way, or two tabs at once, end nobody's login.

The answer is kept with the token that it replaced, for seconds, encrypted under that very token, which itself is nowhere stored.
Another client, another key, another scope or a successor that is in use already: then it is a replay, and the family ends.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.grants.phases import Authorization, Services, TokenRequest
from idp.grants.refresh_token import revoke_family
from idp.profiles import rules_of
from idp.tokens.issuer import hash_token
from idp.tokens.sender import Sender, confirmation
from vocabulary.audit import AuditAction, Outcome

_NONCE_BYTES: Final = 12


def seal_answer(request: TokenRequest, sender: Sender, body: Mapping[str, Any]) -> bytes:
    """The answer to a refresh, for whoever shows the same token in the same way."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(request)).encrypt(nonce, orjson.dumps(body), _context(request, sender))


def _open_answer(request: TokenRequest, sender: Sender, sealed: bytes) -> dict[str, Any] | None:
    try:
        plain = AESGCM(_key(request)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(request, sender))
    except InvalidTag:
        return None
    body: dict[str, Any] = orjson.loads(plain)
    return body


def _key(request: TokenRequest) -> bytes:
    return hmac.digest(request.parameters["refresh_token"].encode(), b"answer to this refresh", hashlib.sha256)


def _context(request: TokenRequest, sender: Sender) -> bytes:
    """What must be the same the second time: the client, what it is bound to, and what it asks."""
    asked = [request.parameters.get(name, "") for name in ("scope", "resource", "authorization_details")]
    return orjson.dumps([request.client.client_id, asked, sorted(confirmation(request.client, sender).items())])


async def repeat(request: TokenRequest, authorization: Authorization, sender: Sender, services: Services) -> dict[str, Any]:
    """The first answer again; what is no repetition ends the family (raises InvalidGrant, audited)."""
    token = await services.store.tokens.get_refresh_token(authorization.rotated or "")
    within = timedelta(seconds=rules_of(request.client).refresh_repeat_seconds)
    body = None
    if token is not None and token.answer is not None and token.rotated_at is not None and services.now < token.rotated_at + within:
        body = _open_answer(request, sender, token.answer)
    if body is None or await _is_overtaken(body, services):
        await revoke_family(authorization.grant, services)
    services.audit.record(
        AuditAction.REFRESH_TOKEN_ROTATED,
        Outcome.SUCCESS,
        {
            "event.reason": "asked again within seconds: the same answer",
            "user.id": authorization.account.national_id if authorization.account else None,
            "health.relying_party.id": request.client.client_id,
            "health.session.id": authorization.grant.session_id,
            "health.grant.id": authorization.grant.id,
            "source.ip": request.source_ip,
        },
    )
    return body


async def _is_overtaken(body: Mapping[str, Any], services: Services) -> bool:
    """Whether the successor was used meanwhile: its holder has the answer, so this is somebody else."""
    successor = await services.store.tokens.get_refresh_token(hash_token(body["refresh_token"]))
    return successor is None or successor.rotated_at is not None
