"""The only place that makes tokens, and that says whether a token shown to us is one of ours."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from idp.clock import ordered_id
from idp.keys import KeyRing
from idp.keys.signing_key import SigningKey, base64url
from idp.model import AccessTokenRecord, Account, Client, Grant, Profile, RefreshToken
from idp.model.quick import quick
from idp.profiles import Rules, rules_of
from idp.tokens.claims import access_claims, id_claims, requested_claims, seconds, subject
from idp.tokens.encryption import encrypt_for
from idp.tokens.handles import new_handle
from idp.tokens.own import is_own, own_jti, own_record
from idp.tokens.resources import audience_of
from idp.tokens.sender import Sender, confirmation
from idp.tokens.told import as_told, told_scope

#: Longest token read, in characters; ours are about 1,200.
MAX_TOKEN_LENGTH = 8192
#: Life of a signed authorization response (JARM §2.1 advises at most ten minutes).
_RESPONSE_LIFETIME: Final = timedelta(minutes=2)
#: The member of ``events`` that makes a logout token (Back-Channel Logout §2.4), and its life (§2.4 advises at most two minutes).
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_LIFETIME: Final = timedelta(minutes=2)
#: Digests of recognised tokens kept, so that one shown again is not verified again.
_RECOGNISED_COUNT = 8192
#: Of a token that anybody may use who has it.
_ANYONE = Sender()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What one grant yields: the strings for the client and the records for the store."""

    access_token: str
    access_token_record: AccessTokenRecord
    refresh_token: str | None
    refresh_token_record: RefreshToken | None
    id_token: str | None


class Issuer:
    """Signs with the key of the client's algorithm (RFC 7515 compact serialisation)."""

    def __init__(self, keys: KeyRing, clock: Callable[[], datetime], *, issuer: str) -> None:
        self._keys = keys
        self._clock = clock
        self.issuer = issuer
        #: Stands for the user storage that Keycloak names in ``sub``; fixed for an issuer, so that ``sub`` never changes.
        self.storage_id = str(uuid.uuid5(uuid.NAMESPACE_URL, issuer))
        self._headers: dict[tuple[str, str], str] = {}
        self._recognised: dict[bytes, tuple[str, str | AccessTokenRecord]] = {}
        self._public_keys: dict[str, RSAKey | ECKey] = {}

    def subject(self, client: Client, account: Account) -> str:
        """The ``sub`` of this person at this client."""
        return subject(client, account, rules_of(client), storage_id=self.storage_id, pairwise_pepper=self._keys.pepper("pairwise-subject"))

    async def issue(
        self,
        client: Client,
        grant: Grant,
        account: Account | None,
        scope: frozenset[str],
        *,
        refreshable: bool,
        sender: Sender = _ANYONE,
        until: datetime | None = None,
    ) -> TokenSet:
        """An access token; with ``openid`` and a person also an ID token; a refresh token where the client may have one."""
        rules = rules_of(client)
        now = self._clock()
        key = self._keys.signer(client.id_token_signed_response_alg)
        sub = self.subject(client, account) if account else client.client_id
        jti = ordered_id(now) if account else own_jti(grant.id)
        expires_at = min(now + rules.access_token_lifetime, until) if until else now + rules.access_token_lifetime
        life = {"iss": self.issuer, "iat": seconds(now), "exp": seconds(expires_at)}
        spoken = told_scope(scope, rules) if account else " ".join(sorted(scope))
        claims = {**life, "jti": jti, **as_told(access_claims(client, grant, account, rules, sub=sub), grant, rules), "scope": spoken}
        standard = rules.access_token_type == "at+jwt"
        if standard:
            claims["client_id"] = client.client_id
        if grant.resources or standard or not rules.keycloak_claims:
            claims["aud"] = audience_of(grant.resources, issuer=self.issuer)
        if grant.actor:
            claims["act"] = grant.actor
        if grant.authorization_details:
            claims["authorization_details"] = list(grant.authorization_details)
        if bound := confirmation(client, sender):
            claims["cnf"] = bound
        access_token = await self._sign(key, rules.access_token_type, claims)
        if account:
            self._remember(access_token, key.kid, jti)
        refresh_token = self._new_handle(client, grant, rules, sub, spoken) if refreshable else None
        id_token = None
        if account is not None and "openid" in scope:
            wished = requested_claims(client, grant.id_token_claims, grant, account, rules, sub=sub)
            own = as_told(
                wished | id_claims(client, grant, account, rules, sub=sub, at_hash=_half_hash(access_token), scope=spoken), grant, rules
            )
            own |= life | {"jti": ordered_id(now)} | _pushed_claims(grant, refresh_token)
            id_token = encrypt_for(client, "id_token", await self._sign(key, "JWT", own))
        return TokenSet(
            access_token=access_token,
            access_token_record=_record(client, grant, scope, jti=jti, issued_at=now, expires_at=expires_at, bound=bound),
            refresh_token=refresh_token,
            refresh_token_record=(
                RefreshToken(
                    token_hash=hash_token(refresh_token), grant_id=grant.id, expires_at=now + rules.refresh_token_lifetime, issued_at=now
                )
                if refresh_token
                else None
            ),
            id_token=id_token,
        )

    def _new_handle(self, client: Client, grant: Grant, rules: Rules, sub: str, scope: str) -> str:
        """A refresh token that nobody guesses."""
        if not rules.keycloak_handles:
            return new_handle()
        session = {"sub": sub, "session_state": grant.session_id, "sid": grant.session_id, "scope": scope}
        return new_handle({"typ": "Refresh", "azp": client.client_id, **session}, self.issuer, self._clock(), rules.refresh_token_lifetime)

    async def authorization_response(self, client: Client, members: Mapping[str, str]) -> str:
        """An answer of the authorization endpoint as a JWT (JARM §2.1): for one client, and for as long as a redirect takes."""
        key = self._keys.signer(client.authorization_signed_response_alg or client.id_token_signed_response_alg)
        claims = {**members, "iss": self.issuer, "aud": client.client_id, "exp": seconds(self._clock() + _RESPONSE_LIFETIME)}
        return encrypt_for(client, "authorization", await self._sign(key, "JWT", claims))

    async def sign_userinfo(self, client: Client, claims: Mapping[str, Any]) -> str:
        """A userinfo answer as a JWT for one client (OpenID Connect Core §5.3.2)."""
        key = self._keys.signer(client.userinfo_signed_response_alg or client.id_token_signed_response_alg)
        signed = await self._sign(key, "JWT", {**claims, "iss": self.issuer, "aud": client.client_id})
        return encrypt_for(client, "userinfo", signed)

    async def sign_introspection(self, client: Client, document: Mapping[str, Any]) -> str:
        """An introspection answer for one client, as a JWT that cannot be taken for a token (RFC 9701 §5: no sub, no exp)."""
        key = self._keys.signer(client.introspection_signed_response_alg or ("ES256" if client.profile is Profile.FAPI2 else "RS256"))
        claims = {"iss": self.issuer, "aud": client.client_id, "iat": seconds(self._clock()), "token_introspection": document}
        return encrypt_for(client, "introspection", await self._sign(key, "token-introspection+jwt", claims))

    async def logout_token(self, client: Client, account: Account, session_id: str) -> str:
        """What tells one client that a session has ended (Back-Channel Logout §2.4): no nonce, and of a type that no other token has."""
        now = self._clock()
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": seconds(now),
            "exp": seconds(now + _LOGOUT_LIFETIME),
            "jti": ordered_id(now),
            "sub": self.subject(client, account),
            "sid": session_id,
            "events": {LOGOUT_EVENT: {}},
        }
        return await self._sign(self._keys.signer(client.id_token_signed_response_alg), "logout+jwt", claims)

    async def sign_event(self, claims: Mapping[str, Any]) -> str:
        """A security event token (RFC 8417 §2.2), in the algorithm that every receiver of CAEP reads (Interoperability Profile §2.6)."""
        return await self._sign(self._keys.signer("RS256"), "secevent+jwt", claims)

    def recognise(self, token: str) -> str | AccessTokenRecord | None:
        """An access token that we signed with a key still published: its ``jti``, or the record of a client's own one.

        Whether it still counts is not said here (:mod:`idp.tokens.live`).
        """
        known = self._recognised.get(_digest(token))
        if known is not None:
            kid, found = known
            return found if kid in self._keys.published() else None
        claims = self.verified_claims(token)
        # An ID token also has a jti, which stands for no access token.
        if claims is None or "at_hash" in claims or not isinstance(claims.get("jti"), str):
            return None
        jti: str = claims["jti"]
        found = own_record(claims, issuer=self.issuer) if is_own(jti) else jti
        self._remember(token, _header(token)["kid"], found)
        return found

    def id_token_claims(self, token: str) -> Mapping[str, Any] | None:
        """Claims of an ID token of ours, whatever its age; None for everything else that we sign (RFC 8725 §3.11, §3.12).

        An access token has no ``at_hash``; what ends sessions or tells of events has a type of its own.
        """
        claims = self.verified_claims(token)
        if claims is None or "at_hash" not in claims or not isinstance(claims.get("aud"), str):
            return None
        return claims if _header(token).get("typ") == "JWT" else None

    def verified_claims(self, token: str) -> Mapping[str, Any] | None:
        """Claims of any JWT that we signed with a key still published, whatever its age; None for everything else."""
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            key = self._public_key(_header(token).get("kid"))
            if key is None:
                return None
            verified = jws.deserialize_compact(token, key, algorithms=[str(key.alg)])
            claims = orjson.loads(verified.payload)
        except (JoseError, ValueError):
            return None
        return claims if isinstance(claims, dict) and claims.get("iss") == self.issuer else None

    def _public_key(self, kid: object) -> RSAKey | ECKey | None:
        published = self._keys.published().get(kid) if isinstance(kid, str) else None
        if published is None:
            return None
        known = self._public_keys.get(published.kid)
        if known is None:
            jwk: dict[str, str | list[str]] = dict(published.public_jwk)
            known = self._public_keys[published.kid] = (
                RSAKey.import_key(jwk) if published.public_jwk["kty"] == "RSA" else ECKey.import_key(jwk)
            )
        return known

    async def _sign(self, key: SigningKey, token_type: str, claims: Mapping[str, Any]) -> str:
        header = self._headers.get((key.kid, token_type))
        if header is None:
            header = base64url(orjson.dumps({"alg": key.alg, "typ": token_type, "kid": key.kid}))
            self._headers[key.kid, token_type] = header
        signed = f"{header}.{base64url(orjson.dumps(claims))}"
        return f"{signed}.{base64url(await self._keys.sign(key, signed.encode('ascii')))}"

    def _remember(self, token: str, kid: str, found: str | AccessTokenRecord) -> None:
        if len(self._recognised) >= _RECOGNISED_COUNT:
            for oldest in list(self._recognised)[: _RECOGNISED_COUNT // 4]:
                del self._recognised[oldest]
        self._recognised[_digest(token)] = (kid, found)


def _header(token: str) -> Mapping[str, Any]:
    """Raises JoseError or ValueError when there is none."""
    return jws.extract_compact(token.encode("ascii")).headers()


def _half_hash(token: str) -> str:
    """OpenID Connect Core §3.1.3.6."""
    return base64url(hashlib.sha256(token.encode("ascii")).digest()[:16])


def _pushed_claims(grant: Grant, refresh_token: str | None) -> dict[str, str]:
    """What ties pushed tokens to the login that was asked for (CIBA §10.3.1): nobody else's notification can be passed off as it."""
    if grant.pushed_as is None:
        return {}
    tied = {"urn:openid:params:jwt:claim:auth_req_id": grant.pushed_as}
    return tied | ({"urn:openid:params:jwt:claim:rt_hash": _half_hash(refresh_token)} if refresh_token else {})


def _record(
    client: Client, grant: Grant, scope: frozenset[str], *, jti: str, issued_at: datetime, expires_at: datetime, bound: Mapping[str, str]
) -> AccessTokenRecord:
    """What is kept of an access token."""
    return AccessTokenRecord(
        jti=jti,
        grant_id=grant.id,
        client_id=client.client_id,
        account_id=grant.account_id,
        session_id=grant.session_id,
        scope=scope,
        issued_at=issued_at,
        expires_at=expires_at,
        confirmation=bound,
        resources=grant.resources,
        actor=grant.actor,
        authorization_details=grant.authorization_details,
        exchanged=grant.exchanged,
    )


def hash_token(token: str) -> str:
    """SHA-256 in hex, under which an opaque token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
