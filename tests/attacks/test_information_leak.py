"""Nobody learns of a person, a token or a client what they were not granted.

Precedents: Gitea CVE-2026-55982 (claims without scope), Keycloak CVE-2026-14209 (permissions of the administration), CVE-2026-109082 and
CVE-2026-9792 (grants that a client may not have); RFC 7662 §4, RFC 6750 §5.
"""

import json
from pathlib import Path

import pytest

from tests.attacks.forgery import parts_of
from tests.idp.wire import CONNECT, NATIONAL_ID, PERSON, SECRET, VERIFIER, Wire

pytestmark = pytest.mark.precedent("CVE-2026-55982")


TRAITS = [NATIONAL_ID, PERSON.given_name, PERSON.family_name]


@pytest.mark.parametrize("client_id", ["baseline", "pairwise"])
def test_without_scope_nothing_names_the_person(wire: Wire, client_id: str) -> None:
    tokens = wire.tokens(client_id, scope="openid")
    seen = [
        json.dumps(tokens),
        json.dumps([parts_of(tokens[name]) for name in ("id_token", "access_token")]),
        wire.userinfo(tokens["access_token"]).text,
        *(wire.post("token/introspect", reader, token=tokens["access_token"]).text for reader in (client_id, "other", "psc", "interface")),
        wire.post("token/introspect", client_id, token=tokens["refresh_token"]).text,
    ]
    assert [text for text in seen for trait in TRAITS if trait in text] == []
    if client_id == "pairwise":
        assert [text for text in seen if PERSON.id in text] == []


def test_who_may_introspect(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    form = {"token": token}
    attempts = [
        wire.http.post(f"{CONNECT}/token/introspect", data=form),
        wire.http.post(f"{CONNECT}/token/introspect", data=form, auth=("other", "wrong")),
        wire.http.post(f"{CONNECT}/token/introspect", data=form, auth=("other", "")),
        wire.http.post(f"{CONNECT}/token/introspect", data=form, headers={"Authorization": f"Bearer {token}"}),
        wire.http.post(f"{CONNECT}/token/introspect", data={**form, "client_id": "public"}),
        wire.http.post(f"{CONNECT}/token/introspect", data={**form, "client_id": "other", "client_secret": SECRET}),
        wire.http.post(f"{CONNECT}/token/introspect", data={**form, "client_id": "baseline"}, auth=("other", SECRET)),
    ]
    assert {answer.status_code for answer in attempts} == {401}
    assert wire.http.get(f"{CONNECT}/token/introspect", params=form, auth=("other", SECRET)).status_code == 405


def test_a_client_cannot_revoke_or_read_another_s_tokens(wire: Wire) -> None:
    tokens = wire.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert wire.post("revoke", "other", token=token).json()["error"] == "invalid_request"
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    assert wire.post("token/introspect", "other", token=tokens["refresh_token"]).json() == {"active": False}
    assert wire.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC9700-4.3.2")
def test_a_token_in_the_address_is_not_read(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    assert wire.http.get(f"{CONNECT}/userinfo", params={"access_token": token}).status_code == 401
    assert wire.http.post(f"{CONNECT}/userinfo", params={"access_token": token}).status_code == 401
    both = wire.http.post(f"{CONNECT}/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"})
    assert both.status_code == 400


@pytest.mark.precedent("CVE-2026-14209")
@pytest.mark.spec("RFC9700-4.15.1")
def test_a_person_s_token_does_not_administer(wire: Wire) -> None:
    for token in (wire.tokens()["access_token"], wire.tokens()["id_token"], "x"):
        headers = {"Authorization": f"Bearer {token}"}
        for path, body in (
            ("sessions/search", {"national_id": NATIONAL_ID}),
            ("revocations", {"national_id": NATIONAL_ID, "reason": "x"}),
            ("accounts/suspend", {"national_id": NATIONAL_ID, "reason": "x"}),
        ):
            answer = wire.http.post(f"http://127.0.0.1:8800/admin/v1/{path}", json=body, headers={**headers, "Idempotency-Key": "k"})
            assert answer.status_code in (401, 403)
    machine = wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["access_token"]
    suspend = wire.http.post(
        "http://127.0.0.1:8800/admin/v1/accounts/suspend",
        json={"national_id": NATIONAL_ID, "reason": "x"},
        headers={"Authorization": f"Bearer {machine}"},
    )
    assert suspend.status_code == 403
    assert wire.userinfo(machine).status_code in (401, 403)


@pytest.mark.parametrize(
    ("client_id", "grant_type"),
    [
        ("code-only", "refresh_token"),
        ("baseline", "client_credentials"),
        ("public", "client_credentials"),
        ("machine", "authorization_code"),
        ("machine", "refresh_token"),
        *(("baseline", name) for name in ("password", "implicit", "urn:ietf:params:oauth:grant-type:device_code")),
        *(("baseline", f"urn:{name}") for name in ("openid:params:grant-type:ciba", "ietf:params:oauth:grant-type:token-exchange")),
    ],
)
@pytest.mark.precedent("CVE-2026-109082", "CVE-2026-9792")
@pytest.mark.spec("RFC9700-2.4")
def test_a_grant_a_client_is_not_registered_for_is_refused(shared: Wire, client_id: str, grant_type: str) -> None:
    public = client_id == "public"
    named = {"client_id": client_id} if public else {}
    answer = shared.post(
        "token", None if public else client_id, grant_type=grant_type, code="x", refresh_token="x", username="a", password="b", **named
    )
    assert answer.status_code == 400
    assert answer.json()["error"] in ("unauthorized_client", "unsupported_grant_type")


def test_neither_the_log_nor_any_answer_holds_a_secret(wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = wire.code(scope="openid identity")
    tokens = wire.redeem(code).json()
    wire.redeem(code)
    wire.refresh(tokens["refresh_token"])
    wire.refresh(tokens["refresh_token"])
    wire.post("revoke", token=tokens["access_token"])
    wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": tokens["id_token"]})
    wire.http.post(f"{CONNECT}/token", data={"grant_type": "x"}, auth=("baseline", "wrong-secret-of-a-client"))
    wire.authorize(scope="openid nonsense", state="secret-state", id_token_hint=tokens["id_token"])
    secrets = [code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"], SECRET, VERIFIER, "cookie-one"]
    secrets += ["wrong-secret-of-a-client", "secret-state", tokens["access_token"].rpartition(".")[2], *TRAITS[1:]]
    kept = json.dumps(wire.events(), ensure_ascii=False) + caplog.text
    assert [secret for secret in secrets if secret in kept] == []
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name.startswith("idp.sqlite"))
    assert [secret for secret in secrets[:5] if secret.encode() in stored] == []


@pytest.mark.spec("RFC9700-2.5")
def test_unknown_and_wrong_get_the_same_answer(shared: Wire) -> None:
    form = {"grant_type": "authorization_code", "code": "x"}
    answers = {
        shared.http.post(f"{CONNECT}/token", data=form, auth=pair).content
        for pair in (("nobody", "x"), ("baseline", "x"), ("machine", "x"))
    }
    assert len(answers) == 1
