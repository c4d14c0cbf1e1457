"""The guide for LemonLDAP::NG, exactly as printed, with the portal of Debian in a folder of its own."""

import getpass
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from idp.testing import running
from tests.end_to_end.conftest import free_port
from tests.end_to_end.guides.guide import DOCTOR, DOCTOR_NAME, Guide, answer_login, assert_asked_for, window

PAGE = "log-in-through-lemonldap-ng.md"
STATE, SOCKET = "/var/lib/lemonldap-ng", "/var/run/llng-fastcgi-server/llng-fastcgi.sock"
CLI = "/usr/share/lemonldap-ng/bin/lemonldap-ng-cli"

NGINX = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/portal-nginx.conf;
}}
"""
# Debian's own start of it, but as whoever runs the test: the server of its package refuses to be root.
RUN = """
export PATH=$PATH:/usr/sbin LLNG_DEFAULTCONFFILE={folder}/lemonldap-ng.ini LLNG_DEFAULTLOGGER=Lemonldap::NG::Common::Logger::Std
plackup --server FCGI --nproc 1 --listen {folder}/llng.sock /usr/share/lemonldap-ng/llng-server/llng-server.psgi &
exec nginx -g 'daemon off;' -c {folder}/nginx.conf
"""


def _place(folder: Path, port: int) -> None:
    """What Debian's packages install, at places and a port of the test's own."""
    for name in ("cache", "conf", "sessions/lock", "psessions/lock", "notifications", "captcha", "bin"):
        (folder / name).mkdir(parents=True)
    for source, target in (
        ("/etc/lemonldap-ng/lemonldap-ng.ini", "lemonldap-ng.ini"),
        (f"{STATE}/conf/lmConf-1.json", "conf/lmConf-1.json"),
        ("/etc/lemonldap-ng/portal-nginx.conf", "portal-nginx.conf"),
    ):
        text = Path(source).read_text("utf-8").replace(STATE, str(folder)).replace(SOCKET, f"{folder}/llng.sock")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("listen [::]:80;", "")
        (folder / target).write_text(text.replace("server_name auth.example.com;", "server_name localhost;"), "utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user), "utf-8")
    # The command line becomes www-data, who may not enter this folder, unless it is told otherwise.
    script = folder / "bin" / "lemonldap-ng-cli"
    script.write_text(f'#!/bin/sh\nexec {CLI} --user={getpass.getuser()} --group=root "$@"\n', "utf-8")
    script.chmod(0o755)


def _configure(guide: Guide) -> None:
    """Run the guide's block on the configuration in this folder."""
    guide.write("configure.sh", "service.env", "psc.json")
    environment = os.environ | {
        "PATH": f"{guide.folder}/bin:{os.environ['PATH']}",
        "LLNG_DEFAULTCONFFILE": str(guide.folder / "lemonldap-ng.ini"),
        "LLNG_DEFAULTLOGGER": "Lemonldap::NG::Common::Logger::Std",
    }
    arguments = ["sh", "-eu", "configure.sh"]
    done = subprocess.run(arguments, cwd=guide.folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.service("chromium", "nginx", "plackup", "curl", CLI)
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "OIDCC-5.3.2", "OIDCRP-2")
def test_a_professional_logs_in_through_lemonldap_ng_and_the_session_ends_on_both_sides(tmp_path: Path, chromium: Browser) -> None:
    guide, port = Guide(PAGE, tmp_path), free_port()
    guide.settle(service=port)
    _place(tmp_path, port)
    portal = f"http://localhost:{port}/"
    with running("--clients", str(guide.write("clients.yaml"))) as provider:
        guide.settle(provider=urlsplit(provider.base_url).port)
        _configure(guide)
        with guide.running_script("lemonldap-ng", RUN.format(folder=tmp_path), portal):
            page, asked = window(chromium)
            page.goto(portal)
            answer_login(page, provider)
            page.wait_for_url(f"{portal}**")
            who = page.locator("body").inner_text()
            assert DOCTOR in who
            assert DOCTOR_NAME in who
            page.goto(f"{portal}?logout=1")
            page.get_by_text("Vous avez été déconnecté").wait_for()
            page.goto(portal)
            answer_login(page, provider)  # the provider asks again who it is: its session is over too
            page.wait_for_url(f"{portal}**")
            assert_asked_for(asked, pkce=False)
            page.context.close()
    guide.check_used()
