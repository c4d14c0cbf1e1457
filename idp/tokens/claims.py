"""Claim sets of tokens and of a userinfo answer, by the rules of the client (OpenID Connect Core §2, §5; RFC 9068 §2.2)."""

import hashlib
import hmac
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from idp.keys.signing_key import base64url
from idp.model import Account, AccountKind, Client, Grant
from idp.profiles import Rules

Claims = dict[str, Any]

#: How PSC names the means of login (``authMode``).
AUTH_MODES: Final = {"device": "MOBILE", "certificate": "CARD"}


def subject(client: Client, account: Account, rules: Rules, *, storage_id: str, pairwise_pepper: bytes) -> str:
    """The ``sub`` of this person at this client (§8): Keycloak-shaped, pairwise, or our own identifier of the account.

    A patient's is always pairwise, whatever the client registered: two services cannot find out that they know the same one.
    It is a MAC of our own random identifier, so that it can be turned back neither into that nor into anything else.
    """
    patient = account.kind is AccountKind.PATIENT
    if rules.keycloak_subject and account.national_id and not patient:
        return f"f:{storage_id}:{account.national_id}"
    if patient or client.subject_type == "pairwise":
        return base64url(hmac.digest(pairwise_pepper, f"{sector_of(client)}\n{account.id}".encode(), hashlib.sha256))
    return account.id


def sector_of(client: Client) -> str:
    """The sector whose clients see one subject (§8.1): as registered, or the one host of the redirect URIs, or the client alone.

    Loopback and an app's own scheme are no place that two clients share.
    """
    if client.sector_identifier:
        return client.sector_identifier
    if client.sector_identifier_uri:
        return str(urlsplit(client.sector_identifier_uri).hostname)
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris if uri.startswith("https:")}
    return str(hosts.pop()) if len(hosts) == 1 else f"client:{client.client_id}"


def login_name(account: Account, sub: str) -> str:
    """How Keycloak's claims name the person: the national identifier of a professional, nothing but ``sub`` for anybody else."""
    return account.national_id if account.national_id and account.kind is AccountKind.PROFESSIONAL else sub


def access_claims(client: Client, grant: Grant, account: Account | None, rules: Rules, *, sub: str) -> Claims:
    """What an access token says besides ``iss``, ``iat``, ``exp``, ``jti`` and ``scope``."""
    if not rules.keycloak_claims or account is None:
        claims: Claims = {"sub": sub, "client_id": client.client_id}
        if grant.auth_time is not None:
            claims |= {"auth_time": seconds(grant.auth_time), "acr": grant.acr, "amr": list(grant.amr)}
            claims |= {"sid": grant.session_id} if grant.session_id else {}
        return claims
    return {
        "auth_time": seconds(grant.auth_time),
        "sub": sub,
        "typ": "Bearer",
        "azp": client.client_id,
        "nonce": grant.nonce or "",
        "session_state": grant.session_id,
        "sid": grant.session_id,
        "acr": grant.acr,
        "preferred_username": login_name(account, sub),
        "email_verified": False,
        **psc_login(account, grant.method),
    }


def id_claims(client: Client, grant: Grant, account: Account, rules: Rules, *, sub: str, at_hash: str, scope: str) -> Claims:
    """What an ID token says besides ``iss``, ``iat`` and ``exp`` (§2, §3.1.3.6)."""
    claims: Claims = {
        "aud": client.client_id,
        "sub": sub,
        "auth_time": seconds(grant.auth_time),
        "acr": grant.acr,
        "amr": list(grant.amr),
        "sid": grant.session_id,
        "at_hash": at_hash,
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    if rules.keycloak_claims:
        claims |= {
            "typ": "ID",
            "azp": client.client_id,
            "session_state": grant.session_id,
            "preferred_username": login_name(account, sub),
        }
        claims |= psc_login(account, grant.method)
    if rules.id_token_scope:
        claims["scope"] = scope
    if rules.auth_level:
        claims["auth_level"] = rules.auth_level
    if rules.id_token_names:
        claims |= _names(account, grant.scope, sub)
    return claims


def _names(account: Account, scope: frozenset[str], sub: str) -> Claims:
    """Who the person is, as some of ANS's ID tokens say it, where the scope lets userinfo say it."""
    if not scope & {"scope_all", "identity", "profile"}:
        return {}
    told = userinfo_claims(account, frozenset({"identity", "profile"}), sub=sub)
    return {name: told[name] for name in ("SubjectNameID", "name", "given_name", "family_name") if name in told} | {"email_verified": False}


def requested_claims(client: Client, names: frozenset[str], grant: Grant, account: Account, rules: Rules, *, sub: str) -> Claims:
    """Single claims that the ``claims`` parameter asked for (§5.5): of what the scope that the client registered covers, never more.

    The scope of the request need not name it: that is what asking for single claims is for.
    """
    if not names:
        return {}
    covered: Claims = {"auth_time": seconds(grant.auth_time), "acr": grant.acr, "amr": list(grant.amr), "sid": grant.session_id}
    if rules.psc_userinfo and "scope_all" in client.scope:
        covered |= userinfo_claims(account, client.scope | {"identity", "profile"}, sub=sub)
        covered |= {**account.directory, **psc_login(account, grant.method), "sub": sub}
    else:
        covered |= userinfo_claims(account, client.scope, sub=sub)
    return {name: value for name, value in covered.items() if name in names and value is not None}


def psc_login(account: Account, method: str | None) -> Claims:
    """``authMode`` and ``otherIds`` as tokens of PSC carry them since 2023."""
    claims: Claims = {"authMode": AUTH_MODES.get(method or "", "MOBILE")}
    if account.national_id and account.national_id.startswith("8"):
        claims["otherIds"] = [{"identifiant": account.national_id, "origine": "RPPS", "qualite": 1}]
    return claims


def userinfo_claims(account: Account, scope: frozenset[str], *, sub: str) -> Claims:
    """The answer of the userinfo endpoint outside the PSC tree (§5.3.2, §5.4): only what the scope gives."""
    claims: Claims = {"sub": sub}
    national_id = account.national_id if account.kind is AccountKind.PROFESSIONAL else None
    if "identity" in scope:
        claims |= {
            "preferred_username": national_id,
            "SubjectNameID": national_id,
            "given_name": account.given_name,
            "family_name": account.family_name,
            "codeCivilite": _civility(account),
        }
    if "profile" in scope:
        claims |= {
            "name": f"{account.given_name} {account.family_name}".strip(),
            "given_name": account.given_name,
            "family_name": account.family_name,
            "preferred_username": national_id,
        }
    return {name: value for name, value in claims.items() if value is not None}


def _civility(account: Account) -> str | None:
    reference = account.directory.get("SubjectRefPro")
    value = account.directory.get("codeCivilite") or (reference.get("codeCivilite") if isinstance(reference, dict) else None)
    return value if isinstance(value, str) else None


def seconds(at: datetime | None) -> int | None:
    """NumericDate (RFC 7519 §2)."""
    return None if at is None else int(at.timestamp())
