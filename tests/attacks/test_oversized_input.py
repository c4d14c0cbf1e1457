"""Nothing anybody sends makes the server fail, or keep what it was sent.

Precedents: authlib CVE-2025-61920 (unbounded JOSE segments), python-jose CVE-2024-33664, nested JSON that exhausts the stack, and
uvicorn's parser, which bounds no header. All against the real server.
"""

import json

import pytest

from deploy.demo.scene import Scene
from tests.attacks.forgery import b64u
from tests.attacks.raw_http import request, resident_kilobytes, send, url_of

pytestmark = pytest.mark.precedent("CVE-2025-61920", "CVE-2024-33664")


FORM, JSON = "application/x-www-form-urlencoded", "application/json"
CONNECT = "/auth/realms/esante-wallet/protocol/openid-connect"
#: Every door that reads a body, with the type it reads.
DOORS = {
    f"{CONNECT}/token": FORM,
    f"{CONNECT}/token/introspect": FORM,
    f"{CONNECT}/revoke": FORM,
    f"{CONNECT}/userinfo": FORM,
    f"{CONNECT}/logout": FORM,
    f"{CONNECT}/auth": FORM,
    "/auth": FORM,
    "/login/x": FORM,
    "/login/x/cancel": FORM,
    "/phone/api/devices": JSON,
    "/phone/api/approvals/x": JSON,
    "/admin/v1/revocations": JSON,
    "/admin/v1/sessions/search": JSON,
    "/nowhere": FORM,
}
BIG = 10_000_000
#: What one connection may add to the server's memory, in kilobytes: reading buffers and a page or two.
FLAT = 16_384


def _process(scene: Scene) -> int:
    process = scene.idp._process
    assert process is not None
    return process.pid


@pytest.mark.parametrize("path", DOORS)
def test_ten_megabytes_are_refused_with_flat_memory(scene: Scene, path: str) -> None:
    before = resident_kilobytes(_process(scene))
    url = url_of(scene, path)
    declared = request(f"{url}{path}", "POST", body=b"a=" + b"x" * BIG, Content_Type=DOORS[path])
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {DOORS[path]}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = send(url, head.encode(), *[chunk] * 160, b"0\r\n\r\n")
    for reply in (declared, chunked):
        assert 400 <= reply.status < 500, reply
        assert len(reply.body) < 10_000
    assert resident_kilobytes(_process(scene)) - before < FLAT


@pytest.mark.parametrize(
    "start", [b"GET /auth HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /auth?state=", b"GET /auth HTTP/1.1\r\nHost: x\r\nCookie: a="]
)
def test_a_head_that_never_ends_is_cut_off(scene: Scene, start: bytes) -> None:
    before = resident_kilobytes(_process(scene))
    reply = send(scene.idp_url, start, *[b"a" * 100_000] * 300)
    assert reply.status in (0, 400)
    assert resident_kilobytes(_process(scene)) - before < FLAT


def test_headers_without_number_are_cut_off(scene: Scene) -> None:
    reply = send(scene.idp_url, b"GET /auth HTTP/1.1\r\nHost: x\r\n", *[b"X-A: y\r\n" * 10_000] * 50)
    assert reply.status in (0, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"client_id=%ff",
        b"client_id=%ED%A0%80",
        b"client_id=\xff\xfe",
        b"client_id=%00&grant_type=%00",
        b"client_id=a&client_id=b",
        b"client_id=&client_id=",
        b"&".join(b"p%d=1" % n for n in range(100)),
        b"=&=&=",
        b"client_id=" + b"a" * 60_000,
        b"grant_type=client_credentials&client_id=%0d%0aX-Injected:1",
        b"",
    ],
)
@pytest.mark.parametrize("path", [path for path, kind in DOORS.items() if kind == FORM and path != "/nowhere"])
def test_a_broken_form_is_a_refusal(scene: Scene, path: str, body: bytes) -> None:
    reply = request(f"{scene.idp_url}{path}", "POST", body=body, Content_Type=FORM)
    # Logging out with nothing said is a page that says it is done, or the same asked again by GET, with the cookies of the browser.
    assert 400 <= reply.status < 500 or (path.endswith("/logout") and reply.status in (200, 303)), reply
    assert "\nx-injected" not in reply.head


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/json", "application/x-www-form-urlencoded-x"]
)
@pytest.mark.parametrize("path", [f"{CONNECT}/token", f"{CONNECT}/revoke", "/auth"])
def test_another_media_type_is_a_refusal(scene: Scene, path: str, kind: str) -> None:
    reply = request(f"{scene.idp_url}{path}", "POST", body=b"client_id=messagerie", **({"Content_Type": kind} if kind else {}))
    assert 400 <= reply.status < 500


KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 8000,
        b'{"a":' * 1600,
        b"9" * 5000,
        b"null",
        b"[]",
        b'"\xff"',
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"pin":NaN}',
        json.dumps({"activation_code": "\ud800", "name": "a", "public_jwk": KEY, "pin": "1234"}).encode(),
        json.dumps({"activation_code": "a", "name": "\ud800", "public_jwk": KEY, "pin": "1234"}).encode(),
        json.dumps({"activation_code": ["a"], "name": "a", "public_jwk": KEY, "pin": "1234"}).encode(),
        json.dumps({"activation_code": "a", "name": "a\u202e", "public_jwk": KEY, "pin": "1234"}).encode(),
        json.dumps({"activation_code": "a", "name": "a", "public_jwk": {**KEY, "x": "A" * 43}, "pin": "1234"}).encode(),
        json.dumps({"activation_code": "a", "name": "a", "public_jwk": {**KEY, "d": "A" * 43}, "pin": "1234"}).encode(),
        json.dumps({"activation_code": "a", "name": "a", "public_jwk": KEY, "pin": "\u0661\u0662\u0663\u0664"}).encode(),
        json.dumps({"activation_code": "a", "name": "a", "public_jwk": KEY, "pin": 1234}).encode(),
    ],
)
def test_broken_json_is_a_refusal(scene: Scene, body: bytes) -> None:
    reply = request(f"{scene.idp_url}/phone/api/devices", "POST", body=body, Content_Type=JSON)
    assert reply.status in (400, 403), reply


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 3000,
        b"null",
        b"12",
        b'{"alg":"ES256","typ":"veilleur-device+jwt","kid":"\\ud800"}',
        b'{"alg":"ES256","typ":"veilleur-device+jwt","kid":["a"]}',
        b'{"alg":"ES256","typ":"veilleur-device+jwt","kid":"a\\u0000"}',
        b'{"alg":"\xff"}',
        b"",
    ],
)
def test_a_broken_token_is_a_refusal_at_every_door(scene: Scene, header: bytes) -> None:
    token = f"{b64u(header)}.{b64u(b'{}')}.AA"
    assert request(f"{scene.idp_url}/phone/api/approvals", Authorization=f"Device {token}").status == 401
    assert request(f"{scene.idp_url}{CONNECT}/userinfo", Authorization=f"Bearer {token}").status == 401
    assert request(f"{scene.idp_url}{CONNECT}/logout?id_token_hint={token}").status == 400
    form = f"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={token}".encode()
    assert request(f"{scene.idp_url}{CONNECT}/token", "POST", body=form, Content_Type=FORM).status == 401


def test_a_request_in_two_lengths_is_refused(scene: Scene) -> None:
    head = f"POST {CONNECT}/token HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = send(scene.idp_url, head.encode() + b"0\r\n\r\nGET /phone/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.status == 400
    assert reply.body.count(b"HTTP/1.1") == 0, "the second request must not be answered"


def test_nothing_of_all_this_was_a_fault_of_ours(scene: Scene) -> None:
    assert "bug " not in (scene.folder / "logs" / "idp.log").read_text("utf-8", "replace")
