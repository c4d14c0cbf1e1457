"""An address that a stranger registers or sends leads nowhere inside, and nobody learns what is there.

Precedents: Keycloak CVE-2020-10770 (``request_uri``), CVE-2026-1180 (``jwks_uri`` of a registration), CVE-2026-4874 (host of a logout
address), Gluu CVE-2022-36663, Better Auth CVE-2026-53513.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.forgery import ec_signed
from tests.attacks.test_algorithm_confusion import ASSERTION_TYPE, HEADER, KEY
from tests.attacks.trap import trap
from tests.idp.registering import ENDPOINT, INITIAL, Registrar, registering
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, Wire, client, running

pytestmark = pytest.mark.precedent("CVE-2020-10770", "CVE-2026-1180", "CVE-2026-4874", "CVE-2022-36663", "CVE-2026-53513")

#: This machine, as a stranger may write it. The port is that of a service that answers to whoever reaches it.
INSIDE = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001", "0.0.0.0")
#: Places where clouds and hospitals keep what is theirs.
NEIGHBOURS = ("169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00::1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider that clients may register at, and that may go nowhere but out."""
    with running(tmp_path_factory.mktemp("closed"), client_registration=True) as wire:
        yield wire


def _key_of_a_client_at(wire: Wire, jwks_uri: str) -> Any:
    made = client(
        "signer",
        token_endpoint_auth_method="private_key_jwt",
        client_secret_hash=None,
        grant_types=("client_credentials",),
        jwks_uri=jwks_uri,
    )
    wire.call(lambda provider: provider.store.clients.put(made))
    at = int(wire.wall().timestamp())
    assertion = ec_signed(HEADER, {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": jwks_uri, "iat": at, "exp": at + 60}, KEY)
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return wire.http.post(f"{CONNECT}/token", data=form)


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_keys_are_not_read_from_this_machine(closed: Wire, scheme: str, host: str) -> None:
    with trap() as inside:
        answer = _key_of_a_client_at(closed, f"{scheme}://{host}:{inside.port}/keys")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert not inside.sprung()


@pytest.mark.parametrize("host", INSIDE)
def test_a_registration_reads_no_list_of_addresses_from_this_machine(closed: Wire, host: str) -> None:
    registrar = Registrar(closed, None)  # type: ignore[arg-type]  # no site: nothing is served
    token = f"initial-{host}"
    registrar.grant(token)
    with trap() as inside:
        members = {"redirect_uris": [REDIRECT], "client_name": "S", "subject_type": "pairwise"}
        answers = [
            registrar.send("POST", ENDPOINT, token, {**members, "sector_identifier_uri": f"https://{host}:{at}/"})
            for at in (inside.port, 1)
        ]
        assert {answer.status_code for answer in answers} == {400}
        assert answers[0].content == answers[1].content, "whether somebody listens there cannot be told"
        assert not inside.sprung()


@pytest.mark.parametrize("host", [*INSIDE, *NEIGHBOURS])
def test_a_request_is_not_fetched_from_where_the_client_did_not_register(closed: Wire, host: str) -> None:
    with trap() as inside:
        for scheme in ("http", "https", "gopher", "file"):
            answer = closed.authorize(request_uri=f"{scheme}://{host}:{inside.port}/object")
            assert "request_uri_not_supported" in answer.headers.get("location", "") + answer.text
        closed.call(lambda provider: provider.store.clients.put(client("fetching", request_uris=(f"https://{host}:{inside.port}/object",))))
        answer = closed.authorize("fetching", request_uri=f"https://{host}:{inside.port}/object") if host in INSIDE else answer
        assert "code=" not in answer.headers.get("location", "")
        assert not inside.sprung()


@pytest.mark.parametrize("member", ["jwks_uri", "sector_identifier_uri", "backchannel_logout_uri", "initiate_login_uri", "logo_uri"])
@pytest.mark.parametrize("uri", ["http://10.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "//evil.example/", "javascript:1"])
def test_an_address_of_another_scheme_is_not_registered(closed: Wire, member: str, uri: str) -> None:
    registrar = Registrar(closed, None)  # type: ignore[arg-type]
    token = f"initial-{member}-{uri}"
    registrar.grant(token)
    answer = registrar.register(token, **{member: uri})
    assert (answer.status_code, member in answer.json()["error_description"]) == (400, True)


def test_no_redirect_is_followed(tmp_path: Path) -> None:
    with registering(tmp_path) as registrar:
        registrar.site.put("/secret", {"keys": []})
        moved = registrar.site.put("/moved", f"{registrar.site.base}/secret".encode(), 302)
        assert _key_of_a_client_at(registrar.wire, moved).status_code == 401
        assert registrar.site.asked == ["/moved"]
        registrar.grant()
        document = {"redirect_uris": [REDIRECT], "client_name": "S", "subject_type": "pairwise", "sector_identifier_uri": moved}
        assert registrar.send("POST", ENDPOINT, INITIAL, document).status_code == 400
        assert "/secret" not in registrar.site.asked
