from pathlib import Path

from starlette.requests import Request

from idp.endpoints.doors import doors_of, origin_of
from tests.idp.endpoints.login_flow import running_provider


def test_the_doors_have_the_providers_limits_clock_and_pepper(tmp_path: Path) -> None:
    with running_provider(tmp_path, account_attempt_limit_count=7) as provider:
        doors = doors_of(provider.state)
        assert doors.limits.account_attempt_count == 7
        assert doors.clock() == provider.wall()
        assert doors.pepper == provider.state.pin_pepper
        assert len(doors.pepper) == 32
        assert doors.approval_lifetime.total_seconds() == 120


def test_the_origin_is_what_the_trusted_proxy_says(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        headers = [(b"x-forwarded-for", b"198.51.100.7"), (b"user-agent", b"Firefox")]
        for peer, ip in (("127.0.0.1", "198.51.100.7"), ("192.0.2.66", "192.0.2.66")):
            origin = origin_of(provider.state, Request({"type": "http", "headers": headers, "client": (peer, 1)}))
            assert (origin.ip, origin.user_agent) == (ip, "Firefox")
