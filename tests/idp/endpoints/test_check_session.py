import pytest

from tests.idp.wire import CONNECT, Wire


@pytest.mark.spec("OIDCSM-3.3", "RFC9700-4.17.2")
def test_the_frame_is_the_same_for_everybody_and_may_load_one_script_of_ours_alone(wire: Wire) -> None:
    page = wire.http.get(f"{CONNECT}/login-status-iframe.html", headers={"Cookie": wire.log_in()})
    assert page.text == wire.http.get(f"{CONNECT}/login-status-iframe.html").text
    assert page.text.count("<script") == page.text.count('src="/assets/check-session.js"') == 1
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "*")
    assert "connect-src" not in policy, "it can tell nobody but the frame that asks"
    assert "x-frame-options" not in page.headers
    assert "set-cookie" not in page.headers
