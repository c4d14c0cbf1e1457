"""What strangers send does not become labels: metrics stay as large as they were.

Precedent: Keycloak CVE-2026-16100 (texts of errors as labels, without bound).
"""

import secrets
from collections.abc import Iterator

import pytest

from tests.idp.wire import BASE, CONNECT, Wire, running

pytestmark = pytest.mark.precedent("CVE-2026-16100")

OWN = "http://127.0.0.1:8801"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with running(tmp_path_factory.mktemp("metrics"), admin_port=8801) as wire:
        yield wire


def _series(wire: Wire) -> set[str]:
    """Names and labels, without values."""
    return {line.rpartition(" ")[0] for line in wire.http.get(f"{OWN}/metrics").text.splitlines() if not line.startswith("#")}


def _pester(wire: Wire) -> None:
    word = secrets.token_hex(8)
    wire.http.get(f"{BASE}/auth", params={"client_id": word, "error": word, "scope": word, word: word}, headers={"User-Agent": word})
    wire.authorize(scope=word, response_type=word, prompt=word)
    wire.http.post(f"{CONNECT}/token", data={"grant_type": word, "client_id": word}, auth=(word, word))
    wire.http.get(f"{BASE}/{word}")
    wire.http.get(f"{BASE}/login/{word}")
    wire.http.request(word.upper()[:8], f"{BASE}/auth")
    wire.http.get(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {word}", "X-Forwarded-For": "203.0.113.9"})
    wire.http.get(f"{OWN}/admin/v1/{word}")


def test_metrics_do_not_grow_with_what_is_sent(measured: Wire) -> None:
    _pester(measured)
    before = _series(measured)
    for _ in range(20):
        _pester(measured)
    assert _series(measured) == before
    assert len(before) < 1000
