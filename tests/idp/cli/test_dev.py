"""The command that runs a provider to develop against."""

import json
import re
from datetime import datetime
from pathlib import Path

import httpx
import jwt
import pytest
from typer.testing import CliRunner

from idp.cli import app
from idp.testing import DevProvider, running
from tests.idp.relying_party import public_jwks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--profile", "keycloak"], "--client-id dev: profile"),
        (["--redirect-uri", "http://elsewhere.example/"], "must use https"),
        (["--clients", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--accounts", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--port", "0", "--card", "899700001003"], "--card 899700001003: none of the people"),
    ],
)
def test_a_wrong_option_is_told_in_one_line_before_anything_starts(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["dev", *options])
    assert result.exit_code == 2
    assert said in result.output


def test_clients_and_people_of_ones_own_take_the_place_of_the_invented_ones(tmp_path: Path) -> None:
    clients, people = tmp_path / "clients.yaml", tmp_path / "people.yaml"
    clients.write_text("clients: [{client_id: agenda, client_name: Agenda, redirect_uris: ['https://agenda.example/retour']}]\n", "utf-8")
    people.write_text('people: [{national_id: "899700000005", given_name: Ada, family_name: Test, exercices: []}]\n', "utf-8")
    with running("--clients", str(clients), "--accounts", str(people)) as provider:
        assert [client["client_id"] for client in provider.clients] == ["agenda"]
        assert [person["name"] for person in provider.people] == ["Ada Test"]


def _now(provider: DevProvider) -> float:
    return datetime.fromisoformat(httpx.get(f"{provider.control_url}/clock", trust_env=False).json()["now"]).timestamp()


def test_the_strictest_profile_is_there_with_a_key_of_its_own() -> None:
    with running("--profile", "fapi2") as provider:
        assert provider.client_jwk is not None
        claims = {"iss": "dev", "sub": "dev", "aud": provider.issuer, "jti": "1", "exp": _now(provider) + 60}
        assertion = jwt.encode(claims, jwt.PyJWK(dict(provider.client_jwk)).key, "ES256", {"kid": provider.client_jwk["kid"]})
        form = {
            "response_type": "code",
            "redirect_uri": "http://127.0.0.1:8080/callback",
            "scope": "openid",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
            "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        pushed = httpx.post(f"{provider.issuer}/protocol/openid-connect/ext/par/request", data=form, trust_env=False)
        assert pushed.status_code == 201, pushed.text
        url = f"{provider.base_url}/auth?client_id=dev&request_uri={pushed.json()['request_uri']}"
        assert "code=" in provider.log_in(url, "899700000005")


def test_the_keys_of_a_service_take_the_place_of_the_secret(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(public_jwks()), "utf-8")
    with running("--jwks", str(keys), "--profile", "baseline") as provider:
        assert provider.client_jwk is None
        form = {"grant_type": "client_credentials", "client_assertion": "x"}
        answer = httpx.post(
            f"{provider.issuer}/protocol/openid-connect/token", data=form, auth=("dev", provider.client_secret), trust_env=False
        )
        assert answer.json()["error"] in {"invalid_client", "invalid_request"}
    keys.write_text("[", "utf-8")
    result = CliRunner().invoke(app, ["dev", "--jwks", str(keys)])
    assert "cannot be read as a JWK set" in result.output


def test_a_card_in_the_reader_is_shown_by_every_browser_that_brings_none() -> None:
    with running("--card", "899700000039") as provider, httpx.Client(trust_env=False, follow_redirects=True) as browser:
        asked = {"client_id": "dev", "response_type": "code", "redirect_uri": "http://127.0.0.1:8080/callback", "scope": "openid"}
        page = browser.get(f"{provider.base_url}/auth", params=asked)
        csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
        assert csrf is not None
        confirming = browser.post(page.url, data={"csrf": csrf.group(1), "method": "certificate"})
        assert "899700000039" in confirming.text
        assert 'id="confirm"' in confirming.text
