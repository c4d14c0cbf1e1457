"""``oidcc-dynamic-certification-test-plan``: each test of a module has its name; what other plans have too is tested there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from idp.model import Profile
from tests.conformance.foundation.plan import PLAIN
from tests.conformance.suite import Suite
from tests.idp.endpoints.login_flow import csrf_of
from tests.idp.registering import Registrar, registering
from tests.idp.relying_party import private_key, public_jwks, request_claims, sign
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, claims_of, query_of

QUERY = "https://service.example/retour?foo=bar"


class Dynamic(Registrar):
    """The suite's relying party: it registers itself and asks without PKCE, as the operator allows its token."""

    def client(self, **members: Any) -> tuple[dict[str, Any], Suite]:
        self.grant("suite", profile=Profile.PSC, scope=frozenset({"openid", "profile"}))
        answer = self.register("suite", **members)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body, Suite(self.wire)

    def redeem(self, body: dict[str, Any], code: str, redirect_uri: str = REDIRECT, **form: str) -> Any:
        sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, **form}
        auth = (body["client_id"], body["client_secret"]) if "client_secret" in body else None
        return self.wire.http.post(f"{CONNECT}/token", data=sent, auth=auth)

    def assertion(self, client_id: str, alg: str = "ES256", **claims: Any) -> dict[str, str]:
        at = int(self.wire.wall().timestamp())
        said = {
            "iss": client_id,
            "sub": client_id,
            "aud": ISSUER,
            "exp": at + 60,
            "iat": at,
            "jti": f"j-{alg}-{at}-{len(claims)}",
            **claims,
        }
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"client_assertion_type": kind, "client_assertion": sign(said, alg=alg, typ="JWT")}


@pytest.fixture
def dynamic(tmp_path: Path) -> Iterator[Dynamic]:
    with registering(tmp_path) as started:
        yield Dynamic(started.wire, started.site)


def _code(suite: Suite, client_id: str, **parameters: str | None) -> str:
    suite.wire.agree(client_id, parameters.get("redirect_uri") or REDIRECT)
    answer = suite.ask(cookie=suite.wire.log_in(), client_id=client_id, **parameters)
    assert answer.status_code == 303, answer.text
    return query_of(answer)["code"]


@pytest.mark.spec("RFC7523-3", "OIDCC-9")
def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(dynamic: Dynamic) -> None:
    """A client assertion whose audience is the issuer proves the client."""
    body, suite = dynamic.client(token_endpoint_auth_method="private_key_jwt", jwks=public_jwks())
    assert "client_secret" not in body
    answer = dynamic.redeem(body, _code(suite, body["client_id"]), **dynamic.assertion(body["client_id"]))
    assert answer.status_code == 200, answer.text


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_redirect_uri_in_authorization_request(dynamic: Dynamic) -> None:
    """A request without redirect_uri is a page even when only one is registered."""
    body, suite = dynamic.client()
    refused = suite.ask(client_id=body["client_id"], redirect_uri=None)
    assert refused.status_code == 400
    assert "location" not in refused.headers


@pytest.mark.spec("OIDCC-2", "OIDCR-2")
def test_oidcc_idtoken_rs256(dynamic: Dynamic) -> None:
    """The ID token of a client that asks for RS256 is signed with it."""
    body, suite = dynamic.client(id_token_signed_response_alg="RS256")
    token = dynamic.redeem(body, _code(suite, body["client_id"])).json()["id_token"]
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


@pytest.mark.spec("OIDCC-3.1.2.1", "RFC6749-3.1.2")
def test_oidcc_redirect_uri_query_OK(dynamic: Dynamic) -> None:
    """A registered address with a query gets the answer behind it."""
    body, suite = dynamic.client(redirect_uris=[QUERY])
    suite.wire.agree(body["client_id"], QUERY)
    answer = suite.ask(cookie=suite.wire.log_in(), client_id=body["client_id"], redirect_uri=QUERY)
    assert answer.headers["location"].startswith(f"{QUERY}&code=")
    assert dynamic.redeem(body, query_of(answer)["code"], QUERY).status_code == 200


@pytest.mark.spec("OIDCC-3.1.2.1", "RFC9700-2.1")
def test_oidcc_redirect_uri_query_added(dynamic: Dynamic) -> None:
    """A query added to the registered address is a page."""
    body, suite = dynamic.client()
    assert suite.ask(client_id=body["client_id"], redirect_uri=f"{REDIRECT}?foo=bar").status_code == 400


@pytest.mark.spec("OIDCC-3.1.2.1", "RFC9700-2.1")
def test_oidcc_redirect_uri_query_mismatch(dynamic: Dynamic) -> None:
    """Another query than the registered one is a page."""
    body, suite = dynamic.client(redirect_uris=[QUERY])
    assert suite.ask(client_id=body["client_id"], redirect_uri=QUERY.replace("bar", "baz")).status_code == 400
    assert suite.ask(client_id=body["client_id"], redirect_uri=REDIRECT).status_code == 400


@pytest.mark.spec("OIDCR-2", "RFC6749-3.1.2")
def test_oidcc_redirect_uri_regfrag(dynamic: Dynamic) -> None:
    """An address with a fragment is refused on registration."""
    dynamic.grant()
    answer = dynamic.register(redirect_uris=[f"{REDIRECT}#foobar"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.spec("OIDCC-10.1.1", "OIDCC-12")
def test_oidcc_refresh_token_rp_key_rotation(dynamic: Dynamic) -> None:
    """A client that changes its key at jwks_uri refreshes with the new one; the old one is worth nothing once it is gone."""
    uri = dynamic.site.put("/keys", public_jwks("ES256"))
    members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri, "grant_types": ["authorization_code", "refresh_token"]}
    body, suite = dynamic.client(**members)
    client_id = body["client_id"]
    tokens = dynamic.redeem(body, _code(suite, client_id), **dynamic.assertion(client_id)).json()
    dynamic.site.put("/keys", public_jwks("PS256"))
    dynamic.wire.wall.advance(60)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = dynamic.wire.http.post(f"{CONNECT}/token", data={**refresh, **dynamic.assertion(client_id, "PS256")})
    assert renewed.status_code == 200, renewed.text
    old = dynamic.wire.http.post(f"{CONNECT}/token", data={**refresh, **dynamic.assertion(client_id, "ES256", again=1)})
    assert (old.status_code, old.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("OIDCR-2", "OIDCC-9")
def test_oidcc_registration_jwks_uri(dynamic: Dynamic) -> None:
    """The keys that a client is verified with are read from its jwks_uri, and told back as such."""
    uri = dynamic.site.put("/keys", public_jwks("ES256"))
    body, suite = dynamic.client(token_endpoint_auth_method="private_key_jwt", jwks_uri=uri)
    assert body["jwks_uri"] == uri
    assert "jwks" not in body
    answer = dynamic.redeem(body, _code(suite, body["client_id"]), **dynamic.assertion(body["client_id"]))
    assert answer.status_code == 200, answer.text
    assert dynamic.site.asked == ["/keys"]


def _login_page(suite: Suite, client_id: str) -> str:
    asked = suite.ask(client_id=client_id)
    [cookie] = [line.partition(";")[0] for line in asked.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
    page = suite.wire.http.get(asked.headers["location"], headers={"Cookie": cookie}).text
    assert csrf_of(page)
    return str(page)


@pytest.mark.spec("OIDCR-2")
def test_oidcc_registration_policy_uri(dynamic: Dynamic) -> None:
    """The address of the service's policy is linked on the login page."""
    body, suite = dynamic.client(policy_uri="https://service.example/donnees")
    assert 'href="https://service.example/donnees"' in _login_page(suite, body["client_id"])


@pytest.mark.spec("OIDCR-2")
def test_oidcc_registration_tos_uri(dynamic: Dynamic) -> None:
    """The address of the service's terms is linked on the login page."""
    body, suite = dynamic.client(tos_uri="https://service.example/conditions?a=1&b=%22")
    assert 'href="https://service.example/conditions?a=1&amp;b=%22"' in _login_page(suite, body["client_id"])


@pytest.mark.spec("OIDCC-8.1", "OIDCR-5")
def test_oidcc_registration_sector_uri(dynamic: Dynamic) -> None:
    """Clients with one sector_identifier_uri see one subject, which is not that of another sector."""
    others = "https://autre.example/retour"
    uri = dynamic.site.put("/sector", [REDIRECT, others])
    members = {"subject_type": "pairwise", "sector_identifier_uri": uri}
    subjects = []
    for redirect_uri in (REDIRECT, others):
        dynamic.grant(redirect_uri, profile=Profile.PSC, scope=frozenset({"openid"}))
        body = dynamic.register(redirect_uri, redirect_uris=[redirect_uri], **members).json()
        registered = dynamic.wire.call(lambda provider, body=body: provider.store.clients.get(body["client_id"]))  # type: ignore[misc]
        suite = Suite(dynamic.wire)
        suite.register(_plain(registered))
        code = _code(suite, body["client_id"], redirect_uri=redirect_uri)
        subjects.append(claims_of(dynamic.redeem(body, code, redirect_uri).json()["id_token"])["sub"])
    assert subjects[0] == subjects[1]
    assert subjects[0] not in ("f", "899700000005")


def _plain(client: Any) -> Any:
    from dataclasses import replace

    return replace(client, quirks=PLAIN)


@pytest.mark.spec("OIDCC-8.1", "OIDCR-5")
def test_oidcc_registration_sector_bad(dynamic: Dynamic) -> None:
    """A sector document that does not list the client's address is refused on registration."""
    dynamic.grant()
    uri = dynamic.site.put("/sector", ["https://autre.example/retour"])
    answer = dynamic.register(subject_type="pairwise", sector_identifier_uri=uri)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert "sector_identifier_uri" in answer.json()["error_description"]


@pytest.mark.spec("OIDCC-6.2", "OIDCR-2")
@pytest.mark.parametrize("fragment", ["", "#registered-before-the-object-was-made"])
def test_oidcc_request_uri_signed_rs256(dynamic: Dynamic, fragment: str) -> None:
    """A request object at a registered request_uri, signed with RS256, counts, with no end of its own and whatever the fragment."""
    uri = f"{dynamic.site.base}/objet{fragment}"
    body, suite = dynamic.client(request_uris=[uri], jwks=public_jwks("RS256"), request_object_signing_alg="RS256")
    claims = request_claims(body["client_id"], code_challenge=None, code_challenge_method=None, exp=None)
    dynamic.site.put("/objet", sign(claims, alg="RS256").encode())
    suite.wire.agree(body["client_id"])
    answer = suite.ask(cookie=suite.wire.log_in(), client_id=body["client_id"], request_uri=uri, state="outside")
    assert query_of(answer)["state"] == "signed-state"
    assert dynamic.site.asked == ["/objet"]
    foreign = suite.ask(client_id=body["client_id"], request_uri=f"{dynamic.site.base}/autre")
    assert query_of(foreign)["error"] == "request_uri_not_supported"
    assert dynamic.site.asked == ["/objet"], "an address that is not registered is never touched"


@pytest.mark.spec("OIDCC-6.2", "RFC9101-10.1")
def test_oidcc_request_uri_unsigned(dynamic: Dynamic) -> None:
    """An unsigned object at a registered address is invalid_request_object: none is not announced and never accepted."""
    uri = dynamic.site.put("/objet", b"eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.")
    body, suite = dynamic.client(request_uris=[uri], jwks=public_jwks())
    answer = suite.ask(cookie=suite.wire.log_in(), client_id=body["client_id"], request_uri=uri)
    assert query_of(answer)["error"] == "invalid_request_object"


@pytest.mark.spec("OIDCC-10.1.1")
def test_oidcc_server_rotate_keys(dynamic: Dynamic) -> None:
    """A new signing key is published beside the old one while the provider runs, and signs; what the old one signed stays good."""
    body, suite = dynamic.client()
    before = dynamic.redeem(body, _code(suite, body["client_id"])).json()["id_token"]
    published = [key["kid"] for key in dynamic.wire.http.get(f"{CONNECT}/certs").json()["keys"]]

    async def rotate(provider: Any) -> None:
        from datetime import timedelta

        await provider.keys.rotate("RS256", lead=timedelta())

    dynamic.wire.call(rotate)
    after = [key["kid"] for key in dynamic.wire.http.get(f"{CONNECT}/certs").json()["keys"]]
    assert set(published) < set(after)
    dynamic.wire.wall.advance(1)
    fresh = dynamic.redeem(body, _code(suite, body["client_id"])).json()["id_token"]
    assert jwt.get_unverified_header(fresh)["kid"] in set(after) - set(published)
    assert suite.ask(cookie=suite.wire.log_in(), client_id=body["client_id"], prompt="none", id_token_hint=before).status_code == 303


@pytest.mark.spec("OIDCC-5.3.2")
def test_oidcc_userinfo_rs256(dynamic: Dynamic) -> None:
    """Userinfo is a JWT signed with RS256 for a client that registers that."""
    body, suite = dynamic.client(userinfo_signed_response_alg="RS256")
    tokens = dynamic.redeem(body, _code(suite, body["client_id"])).json()
    answer = dynamic.wire.userinfo(tokens["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    keys = jwt.PyJWKSet.from_dict(dynamic.wire.http.get(f"{CONNECT}/certs").json()).keys
    [key] = [key for key in keys if key.key_id == jwt.get_unverified_header(answer.text)["kid"]]
    claims = jwt.decode(answer.text, key, ["RS256"], audience=body["client_id"], issuer=ISSUER)
    assert claims["sub"] == claims_of(tokens["id_token"])["sub"]
    assert private_key("RS256") is not None
