import pytest

from tests.idp.wire import CONNECT, SECRET, Wire


@pytest.mark.spec("RFC6749-5.1", "RFC6749-5.2")
def test_answers_are_json_and_never_cached(wire: Wire) -> None:
    for answer in (wire.redeem(wire.code()), wire.redeem("wrong")):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.spec("RFC6749-3.2")
def test_only_a_posted_form_is_read(wire: Wire) -> None:
    assert wire.http.get(f"{CONNECT}/token", params={"grant_type": "client_credentials"}, auth=("machine", SECRET)).status_code == 405
    as_json = wire.http.post(f"{CONNECT}/token", json={"grant_type": "client_credentials"}, auth=("machine", SECRET))
    assert (as_json.status_code, as_json.json()["error"]) == (400, "invalid_request")


def test_a_body_that_is_too_long_is_refused_before_it_is_read(wire: Wire) -> None:
    answer = wire.post("token", "machine", grant_type="x" * 70_000)
    assert answer.status_code == 413


def test_the_host_header_changes_nothing(wire: Wire) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = wire.http.get(f"{CONNECT.removesuffix('/protocol/openid-connect')}/.well-known/openid-configuration", headers=headers)
    assert "evil.example" not in answer.text
