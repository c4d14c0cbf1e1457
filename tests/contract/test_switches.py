"""Each switch changes on the wire what its line in the table says, and nothing else.

One client goes through everything that a switch could touch (:func:`_walk`); what it saw is compared with what the same client sees
whose registration differs by this one switch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from idp.model import Account, Client, Profile
from idp.people.directory import directory_entry
from idp.profiles import SWITCHES, Switch, SwitchValue
from tests.idp.certificates import Issued
from tests.idp.dpop_proofs import ClientKey
from tests.idp.wire import (
    BASE,
    CHALLENGE,
    CONNECT,
    NATIONAL_ID,
    PERSON,
    REDIRECT,
    SECRET,
    START,
    VERIFIER,
    Wire,
    claims_of,
    client,
    query_of,
    running,
)

CIBA: Final = "urn:openid:params:grant-type:ciba"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
CERTIFICATE: Final = Issued("CN=service", START)
KEY: Final = ec.generate_private_key(ec.SECP256R1())
GOODBYE: Final = "https://service.example/au-revoir"
#: What is new each time says nothing here; that it is there does.
VOLATILE: Final = frozenset({"access_token", "refresh_token", "id_token", "jti", "at_hash", "auth_req_id", "code", "s_hash"})
DOCTOR: Final[Account] = replace(
    PERSON,
    directory=directory_entry(
        national_id=NATIONAL_ID, given_name="CAMILLE", family_name="TESTEUR0000005", civility="MME", exercices=(), overrides={}
    ),
)

Seen = dict[str, Any]
Note = Callable[[str, Any], None]


def _party(quirks: dict[str, SwitchValue]) -> tuple[Client, ...]:
    """One service three times: with a secret, with a key, with a certificate."""
    service = client(
        "service",
        profile=Profile.PSC,
        scope=frozenset({"openid", "scope_all", "identity", "drugs:read"}),
        grant_types=("authorization_code", "refresh_token", CIBA, EXCHANGE),
        resources=("https://medicaments.example/fhir",),
        exchange_subject_clients=("service",),
        id_token_signed_response_alg="RS256",
        quirks=quirks,
    )
    numbers = {"kty": "EC", "crv": "P-256", "kid": "k1", **{n: v for n, v in _public_jwk().items() if n in ("x", "y")}}
    keyed = {"token_endpoint_auth_method": "private_key_jwt", "client_secret_hash": None, "jwks": {"keys": [numbers]}}
    return (
        service,
        replace(service, client_id="keyed", **keyed),
        replace(service, client_id="bound", tls_client_certificate_bound_access_tokens=True),
    )


def _public_jwk() -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return made


@contextmanager
def _provider(folder: Path, quirks: dict[str, SwitchValue]) -> Iterator[Wire]:
    headers = {"client_certificate_header": "X-Client-Cert", "client_certificate_verify_header": "X-Client-Verify"}
    with running(folder, peer="192.0.2.200", trusted_proxies=("192.0.2.200/32",), **headers) as wire:
        for registered in _party(quirks):
            wire.register(registered)
        wire.call(lambda provider: provider.store.accounts.put(DOCTOR))
        yield wire


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _flat("…" if name in VOLATILE else member, f"{path}.{name}")
    elif isinstance(value, list) and any(isinstance(member, dict) for member in value):
        for member in value:
            yield from _flat(member, f"{path}[]")
    else:
        yield path, value


def _outcome(answer: Any) -> dict[str, Any]:
    """The status, and of a refusal the error, whether it is the answer itself or comes by a redirect."""
    said = query_of(answer) if answer.is_redirect else answer.json()
    return {"status": answer.status_code, **({"error": said["error"]} if "error" in said else {})}


def _push(wire: Wire, client_id: str = "service", **parameters: str | None) -> Any:
    asked = {"response_type": "code", "redirect_uri": REDIRECT, "scope": "openid", "state": "s-1", "nonce": "n-1"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return wire.post("ext/par/request", client_id, **{**asked, **parameters})


def _authorized(wire: Wire, cookie: str, client_id: str = "service", **parameters: str | None) -> Any:
    """The answer to a pushed request of somebody who is logged in."""
    pushed = {"client_id": client_id, "request_uri": _push(wire, client_id, **parameters).json()["request_uri"]}
    wire.http.cookies.clear()
    return wire.http.get(f"{BASE}/auth", params=pushed, headers={"Cookie": cookie}, follow_redirects=False)


def _code(wire: Wire, cookie: str, client_id: str = "service", **parameters: str | None) -> str:
    return query_of(_authorized(wire, cookie, client_id, **parameters))["code"]


def _walk(wire: Wire) -> Seen:
    seen: Seen = {}

    def note(path: str, value: Any) -> None:
        seen.update(_flat(value, path))

    for step in (_browser_login, _late_code, _refreshes, _backchannel, _senders, _exchanged, _old_login):
        step(wire, note)
    return seen


Note = Callable[[str, Any], None]


def _browser_login(wire: Wire, note: Note) -> None:
    note("a request that was not pushed", _outcome(wire.authorize("service", cookie=wire.log_in())))
    note("a request without PKCE", _outcome(_push(wire, code_challenge=None, code_challenge_method=None)))
    members = query_of(_authorized(wire, wire.log_in(), scope="openid scope_all", acr_values="eidas1"))
    note("callback", members)
    body = wire.redeem(members["code"], "service").json()
    note("token", body)
    note("parts of a refresh token", len(body["refresh_token"].split(".")))
    note("access token", {"typ": jwt.get_unverified_header(body["access_token"])["typ"], "claims": claims_of(body["access_token"])})
    note("ID token", claims_of(body["id_token"]))
    note("userinfo", wire.userinfo(body["access_token"]).json())
    note("introspection", wire.post("token/introspect", "service", token=body["access_token"]).json())
    note("introspection of a refresh token", wire.post("token/introspect", "service", token=body["refresh_token"]).json())
    note("introspection by a neighbour", {"active": wire.post("token/introspect", "psc", token=body["access_token"]).json()["active"]})
    leaving = {"id_token_hint": body["id_token"], "post_logout_redirect_uri": GOODBYE, "state": "x"}
    wire.http.cookies.clear()
    left = wire.http.get(f"{CONNECT}/logout", params=leaving, follow_redirects=False)
    note("logout", {"to": left.headers.get("location")})


def _late_code(wire: Wire, note: Note) -> None:
    code = _code(wire, wire.log_in("late"))
    wire.wall.advance(45)
    note("code after 45 s", _outcome(wire.redeem(code, "service")))


def _refreshes(wire: Wire, note: Note) -> None:
    first = wire.redeem(_code(wire, wire.log_in("again")), "service").json()["refresh_token"]
    second = wire.refresh(first, "service").json()
    note("refresh", {**second, "same": second["refresh_token"] == first})
    wire.wall.advance(5)
    repeated = wire.refresh(first, "service")
    note("refresh again after 5 s", _outcome(repeated))
    wire.wall.advance(1500)
    note("refresh after 25 min", _outcome(wire.refresh(second["refresh_token"], "service")))


def _backchannel(wire: Wire, note: Note) -> None:
    asked = {"scope": "openid scope_all", "login_hint": NATIONAL_ID, "binding_message": "00", "channel": "MOBILE"}

    def ask(**changed: str | None) -> Any:
        return wire.post("ext/ciba/auth", "service", **{**asked, **changed})

    begun = ask(login_hint="899700001003").json()
    note("backchannel", begun)
    note("parts of auth_req_id", len(begun.get("auth_req_id", "").split(".")))
    note("backchannel without binding_message", _outcome(ask(binding_message=None, login_hint="899700001003")))
    note("backchannel by card", _outcome(ask(channel="CARD", login_hint="899700001003")))


def _senders(wire: Wire, note: Note) -> None:
    key = ClientKey()
    redeemed = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    proved = wire.http.post(
        f"{CONNECT}/token",
        data=redeemed | {"code": _code(wire, wire.log_in("key"))},
        auth=("service", SECRET),
        headers={"DPoP": key.proof(wire)},
    )
    note("DPoP proof without nonce", _outcome(proved))
    bound = wire.http.post(
        f"{CONNECT}/token",
        data=redeemed | {"code": _code(wire, wire.log_in("certificate"), "bound")},
        auth=("bound", SECRET),
        headers={"X-Client-Cert": CERTIFICATE.escaped, "X-Client-Verify": "NONE"},
    )
    note("certificate", claims_of(bound.json()["access_token"])["cnf"])
    now = int(wire.wall().timestamp())
    claims = {"iss": "keyed", "sub": "keyed", "aud": f"{CONNECT}/token", "exp": now + 60, "iat": now, "jti": "j"}
    form = {
        "client_assertion": jwt.encode(claims, KEY, "ES256", {"kid": "k1"}),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "token": "x",
    }
    note("assertion for the token endpoint", _outcome(wire.http.post(f"{CONNECT}/token/introspect", data=form)))


def _exchanged(wire: Wire, note: Note) -> None:
    subject = wire.redeem(_code(wire, wire.log_in("subject"), scope="openid scope_all"), "service").json()["access_token"]
    got = wire.post(
        "token",
        "service",
        grant_type=EXCHANGE,
        subject_token=subject,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        scope="drugs:read",
    )
    note("exchange", {"expires_in": got.json()["expires_in"]})


def _old_login(wire: Wire, note: Note) -> None:
    now = wire.provider.clock()
    cookie = wire.log_in("old", auth_time=now.replace(hour=now.hour - 1))
    token = wire.redeem(_code(wire, cookie), "service").json()["access_token"]
    note("userinfo of an old login", _outcome(wire.userinfo(token)))


#: Another value of each switch, and every place where a service then sees something else. ``*`` stands for any member.
CHANGES: Final[dict[str, tuple[SwitchValue, set[str]]]] = {
    "pkce_required": (True, {"a request without PKCE.*"}),
    "par_required": (True, {"a request that was not pushed.*"}),
    "code_seconds": (30, {"code after 45 s.*"}),
    "access_token_seconds": (
        45,
        {"token.expires_in", "refresh.expires_in", "exchange.expires_in", "access token.claims.exp", "ID token.exp", "introspection.exp"},
    ),
    "refresh_token_seconds": (
        600,
        {"refresh after 25 min.*", "token.refresh_expires_in", "refresh.refresh_expires_in", "introspection of a refresh token.exp"},
    ),
    "refresh_repeat_seconds": (2, {"refresh again after 5 s.*", "refresh after 25 min.*"}),
    "refresh_rotation": (False, {"refresh.same"}),
    "keycloak_subject": (
        False,
        {"access token.claims.sub", "ID token.sub", "userinfo.sub", "introspection.sub", "introspection of a refresh token.sub"},
    ),
    "keycloak_claims": (
        False,
        {
            *(f"access token.claims.{name}" for name in ("amr", "aud", "authMode", "azp", "client_id", "email_verified", "nonce")),
            *(f"access token.claims.{name}" for name in ("otherIds[].*", "preferred_username", "session_state", "typ")),
            *(f"ID token.{name}" for name in ("authMode", "azp", "otherIds[].*", "preferred_username", "session_state", "typ")),
        },
    ),
    "keycloak_token_response": (
        False,
        {f"{answer}.{name}" for answer in ("token", "refresh") for name in ("not-before-policy", "refresh_expires_in", "session_state")},
    ),
    "keycloak_introspection": (
        False,
        {
            *(f"introspection.{name}" for name in ("SubjectNameID", "azp", "email_verified", "nonce", "preferred_username")),
            *(f"introspection.{name}" for name in ("session_state", "typ", "username")),
            *(f"introspection of a refresh token.{name}" for name in ("azp", "email_verified", "nonce", "preferred_username")),
            *(f"introspection of a refresh token.{name}" for name in ("session_state", "username")),
        },
    ),
    "open_introspection": (False, {"introspection by a neighbour.active"}),
    "session_state_parameter": ("salted", {"callback.session_state"}),
    "logout_state_returned": (False, {"logout.to"}),
    "psc_userinfo": (False, {"userinfo.*"}),
    "acr_told": ("requested", {"access token.claims.acr", "ID token.acr", "introspection.acr", "introspection of a refresh token.acr"}),
    "claims_left_out": (
        "authMode codeCivilite",
        {"access token.claims.authMode", "ID token.authMode", "userinfo.authMode", "userinfo.SubjectRefPro.codeCivilite"},
    ),
    "claims_emptied": (
        "given_name otherIds",
        {"userinfo.given_name", "userinfo.otherIds*", "access token.claims.otherIds*", "ID token.otherIds*"},
    ),
    "claims_added": (
        "ChampsAjoute",
        {
            *("access token.claims.ChampsAjoute", "access token.claims.otherIds[].ChampsAjoute", "userinfo.ChampsAjoute"),
            *("ID token.ChampsAjoute", "ID token.otherIds[].ChampsAjoute", "userinfo.SubjectRefPro.ChampsAjoute"),
            *("userinfo.otherIds[].ChampsAjoute", "introspection.ChampsAjoute", "introspection of a refresh token.ChampsAjoute"),
        },
    ),
    "id_token_scope": (False, {"ID token.scope"}),
    "auth_level": ("", {"ID token.auth_level"}),
    "id_token_names": (True, {f"ID token.{name}" for name in ("SubjectNameID", "name", "given_name", "family_name", "email_verified")}),
    "scope_told_besides": (
        "identity profile",
        {"token.scope", "refresh.scope", "access token.claims.scope", "ID token.scope"}
        | {"introspection.scope", "introspection of a refresh token.scope"},
    ),
    "keycloak_handles": (True, {"parts of a refresh token", "parts of auth_req_id"}),
    "userinfo_acr": ("eidas3", {"userinfo.*", "userinfo of an old login.*"}),
    "userinfo_max_age_seconds": (1800, {"userinfo of an old login.*"}),
    "access_token_type": ("at+jwt", {"access token.typ", "access token.claims.aud", "access token.claims.client_id"}),
    "assertion_audience": ("issuer", {"assertion for the token endpoint.*"}),
    "certificate_confirmation": ("ans", {"certificate.x5t#S256"}),
    "dpop_nonce_required": (True, {"DPoP proof without nonce.*"}),
    "backchannel_seconds": (60, {"backchannel.expires_in"}),
    "backchannel_interval_seconds": (2, {"backchannel.interval"}),
    "binding_message_required": (False, {"backchannel without binding_message.*"}),
    "unknown_user_id_shown": (True, {"backchannel.*"}),
    "exchanged_token_seconds": (30, {"exchange.expires_in"}),
    "channel_parameter": (False, {"backchannel by card.*"}),
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with _provider(tmp_path_factory.mktemp("usual"), {}) as wire:
        return _walk(wire)


@pytest.mark.spec("PSC-13")
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_a_switch_changes_what_it_says_and_nothing_else(switch: Switch, usual: Seen, tmp_path: Path) -> None:
    value, places = CHANGES[switch.name]
    assert value != switch.psc
    with _provider(tmp_path, {switch.name: value}) as wire:
        seen = _walk(wire)
    changed = {path for path in usual.keys() | seen.keys() if usual.get(path, usual) != seen.get(path, seen)}
    unexpected = {path for path in changed if not any(fnmatchcase(path, _literal(place)) for place in places)}
    untouched = {place for place in places if not any(fnmatchcase(path, _literal(place)) for path in changed)}
    assert (unexpected, untouched) == (set(), set())


def _literal(place: str) -> str:
    """``[`` has a meaning in such a pattern; here it is a list."""
    return place.replace("[", "[[]")


@pytest.mark.parametrize(
    ("told", "acr"),
    [("reached", "eidas2"), ("requested", "eidas1"), ("eidas1", "eidas1"), ("eidas2", "eidas2"), ("eidas3", "eidas3"), ("absent", None)],
)
def test_every_acr_that_services_of_psc_have_met_can_be_rehearsed_and_opens_nothing(told: str, acr: str | None, tmp_path: Path) -> None:
    with _provider(tmp_path, {"acr_told": told, "userinfo_acr": "eidas3"}) as wire:
        answer = _authorized(wire, wire.log_in(), acr_values="eidas1 eidas2")
        body = wire.redeem(query_of(answer)["code"], "service").json()
        heard = {claims_of(body[name]).get("acr") for name in ("access_token", "id_token")}
        heard.add(wire.post("token/introspect", "service", token=body["access_token"]).json().get("acr"))
        assert heard == {acr}
        # What is decided goes by the level that was reached, and so does the audit log.
        assert wire.userinfo(body["access_token"]).status_code == 401
        assert wire.events("authorization_code.issued")[-1]["health.authentication.acr"] == "eidas2"


@pytest.mark.spec("RFC6749-6", "PSC-3.1")
def test_a_service_that_was_told_more_scope_gets_no_more_and_may_repeat_what_it_was_told(tmp_path: Path) -> None:
    with _provider(tmp_path, {"scope_told_besides": "profile identity"}) as wire:
        body = wire.redeem(_code(wire, wire.log_in(), scope="openid"), "service").json()
        assert body["scope"] == "identity openid profile"
        assert set(wire.userinfo(body["access_token"]).json()) == {"sub"}
        asked = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        assert wire.post("token", "service", **asked, scope="openid scope_all").json()["error"] == "invalid_scope"
        assert wire.post("token", "service", **asked, scope=body["scope"]).json()["scope"] == "identity openid profile"
        assert wire.events("access_token.issued")[-1]["health.scope"] == ["openid"]


@pytest.mark.spec("PSC-3.4", "PSC-5.1")
def test_a_handle_in_the_form_of_a_jwt_says_whose_it_is_and_is_worth_nothing_with_another_end(tmp_path: Path) -> None:
    with _provider(tmp_path, {"keycloak_handles": True}) as wire:
        body = wire.redeem(_code(wire, wire.log_in(), scope="openid scope_all"), "service").json()
        value = body["refresh_token"]
        assert jwt.get_unverified_header(value).keys() == {"alg", "typ", "kid"}
        claims = claims_of(value)
        assert (claims["typ"], claims["azp"], claims["sub"]) == ("Refresh", "service", claims_of(body["id_token"])["sub"])
        assert claims["exp"] - claims["iat"] == body["refresh_expires_in"] == 1800
        forged = value.rsplit(".", 1)[0] + "." + jwt.encode({}, "k" * 32, "HS256").rsplit(".", 1)[1]
        assert wire.refresh(forged, "service").json()["error"] == "invalid_grant"
        assert wire.refresh(value, "service").status_code == 200
