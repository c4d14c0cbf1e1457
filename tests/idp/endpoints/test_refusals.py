from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.endpoints.refusals import developer_url
from idp.model import Refusal
from tests.idp.wire import BASE, CONNECT, NATIONAL_ID, REDIRECT, SECRET, Wire, client, query_of, running

DEVELOPED = client("developed", developers=(NATIONAL_ID,))


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path) as started:
        started.call(lambda provider: provider.store.clients.put(DEVELOPED))
        yield started


def _kept(wire: Wire, answer: Any) -> Refusal | None:
    reference = answer.headers["x-request-id"]
    return wire.call(lambda provider: provider.store.refusals.get(reference, provider.clock()))


def test_a_login_request_that_cannot_be_honoured_is_kept_with_what_it_sent(wire: Wire) -> None:
    answer = wire.authorize("developed", redirect_uri="https://service.example/retour/")
    kept = _kept(wire, answer)
    assert kept is not None
    assert (kept.endpoint, kept.error, kept.client_id) == ("authorization", "invalid_request", "developed")
    assert kept.facts["redirect_uri"] == "https://service.example/retour/"
    assert kept.facts["state"] == "given"
    assert f'href="/developers/{kept.reference}"' in answer.text


def test_a_refusal_that_goes_back_to_the_service_says_where_its_developers_may_look(wire: Wire) -> None:
    answer = wire.authorize("developed", scope="openid nonsense")
    kept = _kept(wire, answer)
    assert kept is not None
    assert query_of(answer)["error_uri"] == developer_url(BASE, kept.reference)


@pytest.mark.spec("RFC6749-5.2")
def test_a_refused_code_is_kept_and_its_answer_names_the_page(wire: Wire) -> None:
    code = wire.code("developed")
    assert wire.redeem(code, "developed").status_code == 200
    answer = wire.redeem(code, "developed")
    kept = _kept(wire, answer)
    assert kept is not None
    assert answer.json()["error_uri"] == developer_url(BASE, kept.reference)
    assert kept.facts["code.state"] == "used"
    assert code not in str(kept)
    over = _kept(wire, wire.redeem("never-issued", "developed"))
    assert over is not None
    assert over.facts["code.state"] == "over"


def test_a_client_that_fails_to_prove_itself_is_kept_and_told_no_more_than_a_stranger(wire: Wire) -> None:
    form = {"grant_type": "authorization_code", "code": "x"}
    wrong, unknown = (wire.http.post(f"{CONNECT}/token", data=form, auth=(name, "wrong")) for name in ("developed", "stranger"))
    kept = _kept(wire, wrong)
    assert kept is not None
    assert kept.detail == "wrong client_secret"
    assert wrong.json() == unknown.json()


@pytest.mark.parametrize("path", ["ext/par/request", "ext/ciba/auth", "auth/device", "token/introspect", "revoke"])
def test_every_door_of_the_back_channel_keeps_its_refusals(wire: Wire, path: str) -> None:
    kept = _kept(wire, wire.http.post(f"{CONNECT}/{path}", data={"scope": "openid"}, auth=("developed", "wrong")))
    assert kept is not None
    assert kept.facts["auth_method"] == "client_secret_basic"


def test_a_logout_to_an_address_that_is_not_registered_is_kept(wire: Wire) -> None:
    sent = {"client_id": "developed", "post_logout_redirect_uri": "https://service.example/adieu"}
    kept = _kept(wire, wire.http.get(f"{CONNECT}/logout", params=sent))
    assert kept is not None
    assert kept.endpoint == "logout"


def test_nothing_is_kept_for_a_client_that_names_no_developer(wire: Wire) -> None:
    answer = wire.authorize("baseline", redirect_uri="https://evil.example/")
    assert _kept(wire, answer) is None
    assert "/developers/" not in answer.text
    assert "error_uri" not in wire.redeem("never-issued").json()


def test_the_ordinary_life_of_a_login_is_not_kept(wire: Wire) -> None:
    assert _kept(wire, wire.authorize("developed", prompt="none")) is None


def test_no_secret_code_or_token_is_on_the_disk(wire: Wire, tmp_path: Path) -> None:
    secrets = {
        "code": "c0de-in-the-clear",
        "client_secret": "s3cret-in-the-clear",
        "code_verifier": "v3rifier" * 8,
        "refresh_token": "r3fresh",
    }
    sent = {"client_id": "developed", "grant_type": "authorization_code", "redirect_uri": REDIRECT, **secrets}
    assert _kept(wire, wire.http.post(f"{CONNECT}/token", data=sent)) is not None
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.name.startswith("store") or "sqlite" in file.name)
    assert b"authorization_code" in stored
    assert not [name for name, value in secrets.items() if value.encode() in stored]
    assert SECRET.encode() not in stored


def test_a_refusal_is_gone_when_its_time_is_over(wire: Wire) -> None:
    answer = wire.redeem("never-issued", "developed")
    wire.wall.advance(3 * 86_400 - 1)
    assert _kept(wire, answer) is not None
    wire.wall.advance(1)
    assert _kept(wire, answer) is None
