"""The real nginx writes the combined format; the source reads every line of it."""

import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from siem.event import Event
from siem.sources.nginx import Nginx
from tests.siem.sources.golden import record, settings


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for method, target, headers in (
        ("GET", "/patients/42?tri=date", {"User-Agent": 'agent "quoted" \\ back', "Referer": "https://dossier.example/"}),
        ("HEAD", "/caf%C3%A9", {"Authorization": "Basic ODk5NzAwMDAwMDA1Og=="}),
        ("POST", "/absent", {"User-Agent": "été".encode().decode("latin-1")}),
    ):
        connection.request(method, target, headers=headers)
        connection.getresponse().read()
    connection.close()
    for raw in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET /" + b"a" * 40 + b" nonsense\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as broken:
            broken.sendall(raw)
            broken.recv(4096)


def _run_nginx(folder: Path, port: int) -> subprocess.Popen[bytes]:
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location /absent {{ return 404; }} location / {{ return 200 "ok"; }} }}
}}
"""
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return process
    output, _ = process.communicate()
    pytest.fail(f"nginx did not start: {output.decode()}")


@pytest.mark.service("nginx")
def test_what_nginx_writes_is_read(tmp_path: Path) -> None:
    port = _free_port()
    with _run_nginx(tmp_path, port) as process:
        try:
            _requests(port)
        finally:
            process.terminate()  # it writes its log on the way out
            process.wait(30)
    lines = (tmp_path / "access.log").read_bytes().splitlines()
    source = Nginx(settings("nginx"))
    events: list[Event] = [event for number, line in enumerate(lines) for event in source.parse(record("nginx", line, f"1:{number}"))]
    asked = [event.fields for event in events if "http.request.method" in event.fields]
    assert [(fields["http.request.method"], fields["url.path"], fields["http.response.status_code"]) for fields in asked] == [
        ("GET", "/patients/42", 200),
        ("HEAD", "/café", 200),
        ("POST", "/absent", 404),
    ]
    assert (asked[0]["user_agent.original"], asked[0]["url.query"]) == ('agent "quoted" \\ back', "tri=date")
    assert asked[1]["user.id"] == "899700000005"
    assert asked[2]["user_agent.original"] == "été"
    refused = [event.fields for event in events if event.fields["http.response.status_code"] == 400 and "url.original" in event.fields]
    assert "\x16\x03\x01" in str(refused[0]["url.original"])
    assert str(refused[1]["url.original"]).endswith("nonsense")
    assert all(event.fields["source.ip"] == "127.0.0.1" for event in events)
