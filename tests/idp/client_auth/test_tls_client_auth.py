from typing import Any

import pytest

from tests.idp.certificates import Issued
from tests.idp.wire import CONNECT, START, Wire, client

AUTHORITY = Issued("CN=Autorite,O=Test", START, is_authority=True)
DN = "CN=service,OU=0B0000005,O=Exemple,C=FR"
OWN = Issued(DN, START, AUTHORITY)
ANOTHER = Issued("CN=service,OU=0B0000006,O=Exemple,C=FR", START, AUTHORITY)


def _register(wire: Wire, **members: Any) -> None:
    registered = {
        "token_endpoint_auth_method": "tls_client_auth",
        "client_secret_hash": None,
        "grant_types": ("client_credentials",),
        "scope": frozenset({"sessions:read"}),
        **(members or {"tls_client_auth_subject_dn": DN}),
    }
    wire.call(lambda provider: provider.store.clients.put(client("tls", **registered)))


def _ask(wire: Wire, issued: Issued | None, verify: str | None = "SUCCESS", value: str | None = None) -> Any:
    headers = {} if issued is None else {"X-Client-Cert": value or issued.escaped}
    if verify is not None:
        headers["X-Client-Verify"] = verify
    return wire.http.post(f"{CONNECT}/token", data={"grant_type": "client_credentials", "client_id": "tls"}, headers=headers)


def _refused(answer: Any) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text


@pytest.mark.spec("RFC8705-2.1", "RFC8705-2.1.2", "RFC9440-2.2")
@pytest.mark.parametrize(
    ("member", "name", "wrong"),
    [
        ("subject_dn", DN, "CN=service,O=Exemple,C=FR"),
        ("subject_dn", DN, "C=FR,O=Exemple,OU=0B0000005,CN=service"),
        ("san_dns", "client.example", "example"),
        ("san_uri", "urn:veilleur:client", "urn:veilleur"),
        ("san_ip", "192.0.2.7", "192.0.2.70"),
        ("san_email", "client@service.example", "service.example"),
    ],
)
def test_a_verified_certificate_for_the_registered_name_is_the_client_s(proxied: Wire, member: str, name: str, wrong: str) -> None:
    _register(proxied, **{f"tls_client_auth_{member}": name})
    assert _ask(proxied, OWN).status_code == 200
    assert _ask(proxied, OWN, value=f":{OWN.der_base64}:").status_code == 200
    _register(proxied, **{f"tls_client_auth_{member}": wrong})
    _refused(_ask(proxied, OWN))


@pytest.mark.spec("RFC8705-2.1")
def test_a_certificate_that_is_not_verified_or_another_s_is_refused(proxied: Wire) -> None:
    _register(proxied)
    for issued, verify in (
        (OWN, "FAILED:self signed"),
        (OWN, None),
        (OWN, "success"),
        (OWN, "NONE"),
        (ANOTHER, "SUCCESS"),
        (None, "SUCCESS"),
    ):
        _refused(_ask(proxied, issued, verify))
    for value in ("not a certificate", ":AAAA:", "::", "%ff", "A" * 20_000):
        _refused(_ask(proxied, OWN, value=value))


@pytest.mark.spec("RFC8705-2.1")
def test_a_certificate_out_of_date_is_refused(proxied: Wire) -> None:
    _register(proxied)
    proxied.wall.advance(31 * 86_400)
    _refused(_ask(proxied, OWN))


@pytest.mark.spec("RFC8705-6.5", "RFC9700-4.13")
def test_the_headers_of_anybody_but_the_proxy_mean_nothing(spoofed: Wire) -> None:
    _register(spoofed)
    _refused(_ask(spoofed, OWN))
    assert spoofed.events("client.refused")[-1]["event.reason"] == "no client certificate came over a trusted proxy"


@pytest.mark.spec("RFC8705-6.5")
def test_a_header_sent_twice_is_taken_for_none(proxied: Wire) -> None:
    _register(proxied)
    headers = [("X-Client-Cert", ANOTHER.escaped), ("X-Client-Cert", OWN.escaped), ("X-Client-Verify", "SUCCESS")]
    form = {"grant_type": "client_credentials", "client_id": "tls"}
    _refused(proxied.http.post(f"{CONNECT}/token", data=form, headers=headers))


def test_without_the_settings_no_header_is_read(wire: Wire) -> None:
    _register(wire)
    _refused(_ask(wire, OWN))
