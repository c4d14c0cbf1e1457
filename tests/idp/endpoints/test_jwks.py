import pytest

from tests.idp.wire import CONNECT, Wire


@pytest.mark.spec("RFC7517-5", "OIDCC-10.1.1")
def test_public_keys_alone_are_published_and_may_be_kept_an_hour(wire: Wire) -> None:
    answer = wire.http.get(f"{CONNECT}/certs")
    keys = answer.json()["keys"]
    assert sorted(key["alg"] for key in keys) == ["ES256", "PS256", "RS256"]
    assert len({key["kid"] for key in keys}) == 3
    assert not any(key.keys() & {"d", "p", "q", "k"} for key in keys)
    assert answer.headers["cache-control"] == "public, max-age=3600"
