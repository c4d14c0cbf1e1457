import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from idp.tokens.certificate import NAME_MEMBERS, is_name, read_certificate, read_der
from tests.idp.certificates import Issued
from tests.idp.wire import CONNECT, START, Wire, claims_of, client, running

OWN = Issued("CN=service", START)
OTHER = Issued("CN=service", START)
DIGEST = hashlib.sha256(base64.b64decode(OWN.der_base64))
RFC = base64.urlsafe_b64encode(DIGEST.digest()).rstrip(b"=").decode()
#: As in samples of ANS: 88 characters, with padding.
ANS = base64.b64encode(DIGEST.hexdigest().encode()).decode()


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Wire]:
    headers = {"client_certificate_header": "X-Client-Cert", "client_certificate_verify_header": "X-Client-Verify"}
    with running(tmp_path, peer="192.0.2.200", trusted_proxies=("192.0.2.200/32",), **headers) as started:
        yield started


def _headers(issued: Issued | None) -> dict[str, str]:
    return {} if issued is None else {"X-Client-Cert": issued.escaped, "X-Client-Verify": "NONE"}


def _register(wire: Wire, client_id: str = "baseline", **members: Any) -> None:
    registered = client(client_id, tls_client_certificate_bound_access_tokens=True, **members)
    wire.call(lambda provider: provider.store.clients.put(registered))


def _token(wire: Wire, issued: Issued | None, **form: str) -> Any:
    sent = {"redirect_uri": "https://service.example/retour", "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", **form}
    auth = None if "client_id" in form else ("baseline", "s" * 43)
    return wire.http.post(f"{CONNECT}/token", data=sent, auth=auth, headers=_headers(issued))


def _redeem(wire: Wire, issued: Issued | None) -> Any:
    return _token(wire, issued, grant_type="authorization_code", code=wire.code())


def _userinfo(wire: Wire, token: str, issued: Issued | None) -> Any:
    return wire.http.get(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {token}", **_headers(issued)})


@pytest.mark.spec("RFC8705-3", "RFC8705-3.1", "RFC8705-3.2", "PSC-8.1")
@pytest.mark.parametrize(("quirks", "thumbprint"), [({}, RFC), ({"certificate_confirmation": "ans"}, ANS)], ids=["rfc8705", "ans"])
def test_a_token_is_bound_to_the_certificate_in_the_form_the_client_reads(proxied: Wire, quirks: dict[str, str], thumbprint: str) -> None:
    _register(proxied, quirks=quirks)
    body = _redeem(proxied, OWN).json()
    token = body["access_token"]
    assert body["token_type"] == "Bearer"
    assert claims_of(token)["cnf"] == {"x5t#S256": thumbprint}
    assert proxied.post("token/introspect", token=token).json()["cnf"] == {"x5t#S256": thumbprint}
    assert _userinfo(proxied, token, OWN).status_code == 200
    for thief in (OTHER, None):
        stolen = _userinfo(proxied, token, thief)
        assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_token")
    assert [event["health.token.binding"] for event in proxied.events("access_token.misused")] == ["mtls", "mtls"]


@pytest.mark.spec("RFC8705-3.4")
def test_a_client_held_to_its_certificate_gets_no_token_without_it(proxied: Wire) -> None:
    _register(proxied)
    assert _redeem(proxied, None).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC8705-4")
def test_a_public_client_refreshes_with_the_certificate_it_began_with(proxied: Wire) -> None:
    _register(proxied, "public", token_endpoint_auth_method="none", client_secret_hash=None)
    code = proxied.code("public")
    first = _token(proxied, OWN, grant_type="authorization_code", code=code, client_id="public").json()["refresh_token"]
    refresh = {"grant_type": "refresh_token", "refresh_token": first, "client_id": "public"}
    assert _token(proxied, OTHER, **refresh).json()["error"] == "invalid_grant"
    assert _token(proxied, OWN, **refresh).status_code == 200


def test_a_certificate_binds_nothing_where_the_client_did_not_ask(proxied: Wire) -> None:
    assert "cnf" not in claims_of(_redeem(proxied, OWN).json()["access_token"])


def test_a_subject_of_bits_is_a_value_error() -> None:
    # The value of CN=service as a BIT STRING, which the library has for one attribute alone.
    der = OWN.certificate.public_bytes(Encoding.DER).replace(b"\x0c\x07service", b"\x03\x07\x00ervice")
    with pytest.raises(ValueError, match="BitString"):
        read_certificate(f":{base64.b64encode(der).decode()}:", verified=True)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: f":{base64.b64encode(raw).decode()}:"))
def test_what_is_no_certificate_is_a_value_error(value: str) -> None:
    with pytest.raises(ValueError):
        read_certificate(value, verified=True)


def test_a_version_that_x509_does_not_have_is_a_value_error_by_header_and_by_x5c() -> None:
    der = OWN.certificate.public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x06", 1)
    text = base64.b64encode(der).decode()
    pem = quote(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    for read in (
        lambda: read_certificate(f":{text}:", verified=True),
        lambda: read_certificate(pem, verified=True),
        lambda: read_der(text),
    ):
        with pytest.raises(ValueError, match="6 is not a valid X509 version"):
            read()


@given(st.sampled_from(NAME_MEMBERS), st.text(max_size=60))
def test_any_registered_name_is_judged_without_fault(member: str, value: str) -> None:
    assert is_name(member, value) in (True, False)
    assert not is_name(member, "")
