"""Under the names of the sandbox, over TLS: a client with hard-coded addresses works once a hosts file leads them here."""

import ssl
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from idp.testing import DevProvider, running

AUTH, WALLET = "https://auth.bas.psc.esante.gouv.fr", "https://wallet.bas.psc.esante.gouv.fr"
REALM = f"{AUTH}/auth/realms/esante-wallet"
CALLBACK, CAMILLE = "http://127.0.0.1:9876/retour", "899700000005"


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with running("--sandbox", "--redirect-uri", CALLBACK) as started:
        yield started


class _Hosts(httpx.HTTPTransport):
    """The hosts file: every name leads to loopback; TLS is still checked for the name that was asked for."""

    def __init__(self, provider: DevProvider) -> None:
        super().__init__(verify=ssl.create_default_context(cafile=provider.authority))
        self._port = urlsplit(provider.control_url).port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host="127.0.0.1", port=self._port)
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


@pytest.fixture
def client(provider: DevProvider) -> Iterator[httpx.Client]:
    with httpx.Client(transport=_Hosts(provider), timeout=20) as client:
        yield client


def _asked(**changes: str) -> dict[str, str]:
    usual = {"response_type": "code", "client_id": "dev", "redirect_uri": CALLBACK, "scope": "openid scope_all", "acr_values": "eidas1"}
    return usual | changes


def test_metadata_has_the_hosts_of_pro_sante_connect(client: httpx.Client) -> None:
    metadata = client.get(f"{REALM}/.well-known/wallet-openid-configuration").json()
    assert metadata["issuer"] == REALM
    assert metadata["authorization_endpoint"] == f"{WALLET}/auth"
    assert metadata["token_endpoint"] == f"{REALM}/protocol/openid-connect/token"
    assert {urlsplit(url).netloc for name, url in metadata.items() if name.endswith(("_endpoint", "_uri"))} == {
        urlsplit(AUTH).netloc,
        urlsplit(WALLET).netloc,
    }


def test_a_client_with_hard_coded_addresses_logs_in_and_out(provider: DevProvider, client: httpx.Client) -> None:
    back = provider.log_in(str(httpx.URL(f"{WALLET}/auth", params=_asked())), CAMILLE, browser=client)
    code = parse_qs(urlsplit(back).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    tokens = client.post(f"{REALM}/protocol/openid-connect/token", data=form, auth=("dev", provider.client_secret)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get(f"{REALM}/protocol/openid-connect/userinfo", headers=headers).json()["SubjectNameID"] == CAMILLE
    silent = client.get(f"{WALLET}/auth", params=_asked(prompt="none"))
    assert silent.headers["location"].startswith(f"{CALLBACK}?code=")
    # The address of logout that clients have written down is the issuer's, where no browser has its session.
    logout = client.get(f"{REALM}/protocol/openid-connect/logout", params={"id_token_hint": tokens["id_token"]})
    assert logout.status_code == 307 and logout.headers["location"].startswith(f"{WALLET}/auth/realms/esante-wallet/")
    assert client.get(logout.headers["location"]).status_code == 200
    silent = client.get(f"{WALLET}/auth", params=_asked(prompt="none"))
    assert "error=login_required" in silent.headers["location"]


def test_a_stranger_host_is_not_sent_anywhere(provider: DevProvider, client: httpx.Client) -> None:
    answer = client.get(f"{REALM}/protocol/openid-connect/auth", headers={"Host": "evil.example"})
    assert answer.status_code == 400 and "location" not in answer.headers
