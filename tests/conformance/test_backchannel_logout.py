"""``oidcc-backchannel-rp-initiated-logout-certification-test-plan``: each test is named after the module whose steps it walks."""

from urllib.parse import parse_qs

import jwt
import pytest

from tests.idp.test_outbound import listening
from tests.idp.wire import CONNECT, ISSUER, Wire, claims_of, client, query_of


@pytest.mark.spec("OIDCBCL-2.1")
def test_oidcc_backchannel_logout_discovery_endpoint_verification(wire: Wire) -> None:
    document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
    assert "sid" in document["claims_supported"]


@pytest.mark.spec("OIDCBCL-2.4", "OIDCBCL-2.5", "OIDCBCL-2.6")
def test_oidcc_backchannel_rp_initiated_logout(wire: Wire) -> None:
    with listening(200) as (url, heard):
        registered = client("told", backchannel_logout_uri=url, backchannel_logout_session_required=True)
        wire.call(lambda provider: provider.store.clients.put(registered))
        id_token = wire.tokens("told")["id_token"]
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": "https://service.example/au-revoir", "state": "s"}
        assert wire.http.get(f"{CONNECT}/logout", params=query, follow_redirects=False).status_code == 303
        # Nothing of the test sends it: the provider does, by itself.
        sent = heard.get(timeout=20)
    assert sent["content-type"] == "application/x-www-form-urlencoded"
    [token] = parse_qs(sent["body"])["logout_token"]
    header, certs = jwt.get_unverified_header(token), wire.http.get(f"{CONNECT}/certs").json()["keys"]
    key = jwt.PyJWK(next(key for key in certs if key["kid"] == header["kid"]))
    options = {"verify_exp": False, "verify_iat": False, "require": ["iss", "aud", "iat", "exp", "jti", "events"]}
    said = jwt.decode(token, key, algorithms=["ES256"], audience="told", issuer=ISSUER, options=options)  # type: ignore[arg-type]
    assert said["sid"] == claims_of(id_token)["sid"]
    assert said["sub"] == claims_of(id_token)["sub"]
    assert said["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in said
    assert query_of(wire.authorize("told", cookie="veilleur_idp_sso=cookie-one", prompt="none"))["error"] == "login_required"
