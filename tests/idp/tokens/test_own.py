from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from idp.model import Profile
from idp.tokens.own import is_own, own_grant, own_jti, own_record
from tests.idp.dpop_proofs import TOKEN, ClientKey
from tests.idp.wire import ISSUER, SECRET, Wire, claims_of, client, running


def _token(wire: Wire, client_id: str = "machine", **form: str) -> str:
    token: str = wire.post("token", client_id, grant_type="client_credentials", **form).json()["access_token"]
    return token


def _described(wire: Wire, token: str) -> dict[str, object]:
    described: dict[str, object] = wire.post("token/introspect", "interface", token=token).json()
    return described


def test_only_its_jti_marks_a_client_s_own_token(wire: Wire) -> None:
    assert is_own(own_jti("grant"))
    assert is_own(claims_of(_token(wire))["jti"])
    tokens = wire.tokens()
    assert not is_own(claims_of(tokens["access_token"])["jti"])
    assert not is_own(claims_of(tokens["id_token"])["jti"])


@pytest.mark.spec("RFC7662-2.2")
@pytest.mark.parametrize("profile", [Profile.BASELINE, Profile.PSC])
def test_nothing_is_stored_and_introspection_says_all_the_same_after_a_restart(tmp_path: Path, profile: Profile) -> None:
    with running(tmp_path) as wire:
        members = {"grant_types": ("client_credentials",), "scope": frozenset({"sessions:read", "accounts:read"}), "profile": profile}
        wire.call(lambda provider: provider.store.clients.put(client("own", **members)))
        token = _token(wire, "own")
        described = _described(wire, token)
        assert described["active"] is True
        assert (described["client_id"], described["sub"], described["scope"]) == ("own", "own", "accounts:read sessions:read")
        assert wire.call(lambda provider: provider.store.tokens.get_access_token(claims_of(token)["jti"], provider.clock())) is None
    with running(tmp_path) as wire:
        assert _described(wire, token) == described


@pytest.mark.spec("RFC7009-2.1", "RFC7662-2.2")
def test_a_revoked_one_stays_revoked_after_a_restart_until_it_has_expired(tmp_path: Path) -> None:
    with running(tmp_path) as wire:
        token, spared = _token(wire), _token(wire)
        assert wire.post("revoke", "other", token=token).status_code == 400
        assert _described(wire, token)["active"] is True
        assert wire.post("revoke", "machine", token=token).status_code == 200
        assert _described(wire, token) == {"active": False}
        (revoked,) = wire.events("token.revoked")
        assert revoked["health.token.id"] == claims_of(token)["jti"]
        assert revoked["health.grant.id"] == next(
            event["health.grant.id"]
            for event in wire.events("access_token.issued")
            if event["health.token.id"] == revoked["health.token.id"]
        )
    with running(tmp_path) as wire:
        assert _described(wire, token) == {"active": False}
        assert _described(wire, spared)["active"] is True
        jti = claims_of(token)["jti"]
        wire.call(lambda provider: provider.store.expire(provider.clock()))
        assert wire.call(lambda provider: provider.store.tokens.is_denied(jti))
        wire.wall.advance(121)
        wire.call(lambda provider: provider.store.expire(provider.clock()))
        assert not wire.call(lambda provider: provider.store.tokens.is_denied(jti))
        assert _described(wire, token) == {"active": False}


def test_it_ends_with_its_time_and_with_its_client(wire: Wire) -> None:
    token = _token(wire)
    members = {"grant_types": ("client_credentials",), "scope": frozenset({"sessions:read"})}
    wire.call(lambda provider: provider.store.clients.put(client("machine", disabled=True, **members)))
    assert _described(wire, token) == {"active": False}
    wire.call(lambda provider: provider.store.clients.put(client("machine", **members)))
    assert _described(wire, token)["active"] is True
    wire.call(lambda provider: provider.store.clients.delete("machine"))
    assert _described(wire, token) == {"active": False}
    wire.call(lambda provider: provider.store.clients.put(client("machine", **members)))
    wire.wall.advance(claims_of(token)["exp"] - claims_of(token)["iat"])
    assert _described(wire, token) == {"active": False}


def test_one_whose_key_is_out_of_the_set_counts_no_more_even_where_it_was_seen_before(wire: Wire) -> None:
    token = _token(wire)
    assert _described(wire, token)["active"] is True
    wire.call(lambda provider: provider.keys.rotate("ES256", lead=timedelta()))
    # As after an emergency: the old key leaves the set at once, although the token would live on.
    gone = jwt.get_unverified_header(token)["kid"]
    wire.call(lambda provider: provider.store.keys.delete(f"signing:{gone}"))
    wire.call(lambda provider: provider.keys.load())
    assert _described(wire, token) == {"active": False}


@pytest.mark.spec("RFC9449-6.2", "RFC8707-2.2")
def test_what_it_is_bound_to_and_made_for_is_in_it(wire: Wire) -> None:
    api = "https://api.example/fhir"
    members = {"grant_types": ("client_credentials",), "scope": frozenset({"drugs:read"}), "resources": (api,)}
    wire.call(lambda provider: provider.store.clients.put(client("interface", serves_resources=(api,))))
    wire.call(lambda provider: provider.store.clients.put(client("bound", **members)))
    key = ClientKey()
    form = {"grant_type": "client_credentials", "resource": api}
    answer = wire.http.post(TOKEN, data=form, auth=("bound", SECRET), headers={"DPoP": key.proof(wire)})
    assert answer.status_code == 200, answer.text
    described = _described(wire, answer.json()["access_token"])
    assert described["cnf"] == {"jkt": key.jkt}
    assert (described["aud"], described["token_type"]) == (api, "DPoP")


def test_a_record_and_a_grant_are_read_back_from_the_claims(wire: Wire) -> None:
    claims = claims_of(_token(wire))
    record = own_record(claims, issuer=ISSUER)
    assert (record.jti, record.scope) == (claims["jti"], frozenset({"sessions:read", "sessions:revoke"}))
    assert (record.expires_at - record.issued_at).total_seconds() == 120
    grant = own_grant(record)
    assert own_jti(grant.id) == record.jti
    assert (grant.account_id, grant.session_id, grant.client_id) == (None, None, "machine")
