import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from idp.authorization import Grant, Login
from idp.authorization_details import read_detail_types
from idp.errors import InteractionRequired, InvalidAuthorizationDetails
from tests.idp.authorization.walk import INTERACTION, decide
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import CONNECT, ISSUER, VERIFIER, Wire, client, query_of, running

SAMPLES = Path(__file__).parents[3] / "deploy/demo/authorization_details.yaml"
TYPES = read_detail_types(SAMPLES)
READ = {"type": "dossier_access", "actions": ["read"], "datatypes": ["letter"], "identifier": "séjour 42"}
OTHER = {**READ, "identifier": "séjour 43"}
REGISTERED = {"authorization_details_types": ("dossier_access",)}


def _decide(loaded: dict[str, Any] | None = None, **parameters: str) -> Any:
    return decide(registered=REGISTERED, loaded={"detail_types": TYPES, **(loaded or {})}, **parameters)


@pytest.mark.spec("RFC9396-2", "RFC9396-7")
def test_a_person_sees_each_detail_and_a_session_from_before_is_no_consent() -> None:
    asked = json.dumps([READ])
    assert _decide(authorization_details=asked) == Login(("authorization_details",))
    granted = _decide({"interaction": INTERACTION}, authorization_details=asked)
    assert isinstance(granted, Grant)
    assert granted.authorization_details == (READ,)
    with pytest.raises(InteractionRequired):
        _decide(authorization_details=asked, prompt="none")


@pytest.mark.spec("RFC9396-5")
def test_a_type_that_is_not_the_clients_is_refused() -> None:
    with pytest.raises(InvalidAuthorizationDetails):
        decide(loaded={"detail_types": TYPES}, authorization_details=json.dumps([READ]))
    with pytest.raises(InvalidAuthorizationDetails):
        decide(registered=REGISTERED, authorization_details=json.dumps([READ]))


@pytest.mark.spec("RFC9396-3", "RFC9101-4")
def test_a_request_object_holds_them_as_json() -> None:
    signed = sign(request_claims("c", authorization_details=[READ]))
    registered = {**REGISTERED, "jwks": public_jwks()}
    granted = decide(registered=registered, loaded={"detail_types": TYPES, "interaction": None}, request=signed)
    assert granted == Login(("authorization_details",))


@pytest.mark.spec("RFC9396-6", "RFC9396-7", "RFC9396-9.1", "RFC9396-9.2", "RFC9396-10")
def test_what_was_granted_is_in_the_answer_the_token_and_its_introspection(tmp_path: Path) -> None:
    with running(tmp_path, authorization_details_file=SAMPLES) as wire:
        wire.call(lambda provider: provider.store.clients.put(client("rich", **REGISTERED)))
        document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
        assert document["authorization_details_types_supported"] == ["dossier_access"]
        code = _code(wire, json.dumps([READ, OTHER]))
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://service.example/retour"}
        body = wire.post("token", "rich", code_verifier=VERIFIER, **form).json()
        assert body["authorization_details"] == [READ, OTHER]
        claims = jwt.decode(body["access_token"], options={"verify_signature": False})
        assert claims["authorization_details"] == [READ, OTHER]
        assert wire.post("token/introspect", "rich", token=body["access_token"]).json()["authorization_details"] == [READ, OTHER]
        narrow = wire.refresh(body["refresh_token"], "rich", authorization_details=json.dumps([OTHER])).json()
        assert narrow["authorization_details"] == [OTHER]
        wide = wire.refresh(narrow["refresh_token"], "rich", authorization_details=json.dumps([{**OTHER, "actions": ["write"]}]))
        assert (wide.status_code, wide.json()["error"]) == (400, "invalid_authorization_details")


def _code(wire: Wire, details: str) -> str:
    """Asked for, shown on the login page in plain words, and granted once the person has logged in there."""
    from tests.conformance.suite import Suite

    suite = Suite(wire)
    pkce = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    asked = suite.ask(cookie=wire.log_in(), client_id="rich", authorization_details=details, **pkce)
    [cookie] = [line.partition(";")[0] for line in asked.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
    page = wire.http.get(asked.headers["location"], headers={"Cookie": cookie}).text
    assert "lire, dans le dossier «\u00a0séjour 42\u00a0»" in page.replace("« ", "«\u00a0").replace(" »", "\u00a0»")
    return query_of(suite.log_in_again(asked, "again"))["code"]


@pytest.mark.spec("RFC9396-5")
def test_grants_that_show_no_page_refuse_them_by_name(wire: Wire) -> None:
    details = json.dumps([READ])
    asked = {"scope": "openid", "authorization_details": details}
    backchannel = wire.post("ext/ciba/auth", "backchannel", login_hint="899700000005", binding_message="42", **asked)
    device = wire.post("auth/device", "device", **asked)
    machine = wire.post("token", "machine", grant_type="client_credentials", authorization_details=details)
    assert {answer.json()["error"] for answer in (backchannel, device, machine)} == {"invalid_authorization_details"}
    assert CONNECT
