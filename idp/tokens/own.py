"""Tokens that a client gets for itself (``client_credentials``): they say everything themselves, and nothing of them is stored.

No person and no session stands behind one, so only its client, its time and a denial can end it. Its ``jti`` is marked: a token
whose row is gone must never pass for one that needs none.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from idp.model import AccessTokenRecord, Grant

_MARK: Final = "own-"


def own_jti(grant_id: str) -> str:
    """The ``jti`` of the one token of a grant."""
    return f"{_MARK}{grant_id}"


def is_own(jti: str) -> bool:
    """Whether a token of this ``jti`` is a client's own. Only :func:`own_jti` makes such, and only we sign."""
    return jti.startswith(_MARK)


def own_record(claims: Mapping[str, Any], *, issuer: str) -> AccessTokenRecord:
    """What the store keeps of other tokens, from the verified claims of this one."""
    named = claims.get("aud", issuer)
    resources = frozenset([named] if isinstance(named, str) else named)
    return AccessTokenRecord(
        jti=claims["jti"],
        grant_id=claims["jti"].removeprefix(_MARK),
        client_id=claims["client_id"],
        account_id=None,
        session_id=None,
        scope=frozenset(claims["scope"].split()),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        confirmation=claims.get("cnf", {}),
        resources=frozenset() if resources == {issuer} else resources,
    )


def own_grant(record: AccessTokenRecord) -> Grant:
    """The grant that such a record stands for."""
    return Grant(
        id=record.grant_id,
        client_id=record.client_id,
        account_id=None,
        session_id=None,
        scope=record.scope,
        nonce=None,
        acr=None,
        amr=(),
        method=None,
        auth_time=None,
        created_at=record.issued_at,
    )
