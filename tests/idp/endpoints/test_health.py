from tests.idp.wire import BASE, Wire


def test_alive_and_ready_once_started(wire: Wire) -> None:
    assert wire.http.get(f"{BASE}/health/live").json() == {"status": "pass"}
    assert wire.http.get(f"{BASE}/health/ready").json() == {"status": "pass"}


def test_not_ready_without_keys(wire: Wire) -> None:
    async def forget(provider: object) -> None:
        wire.provider.keys._keys.clear()
        wire.provider.keys._fresh_until = None

    wire.call(forget)
    answer = wire.http.get(f"{BASE}/health/ready")
    assert answer.status_code == 503
    assert wire.http.get(f"{BASE}/health/live").status_code == 200
