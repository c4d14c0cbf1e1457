"""The guide for Apache, exactly as printed, with a professional in a real browser."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from idp.testing import running
from tests.end_to_end.conftest import free_port
from tests.end_to_end.guides.guide import (
    DOCTOR,
    DOCTOR_NAME,
    Guide,
    Service,
    answer_login,
    assert_asked_for,
    end_session_elsewhere,
    until,
    window,
)

PAGE = "log-in-with-mod-auth-openidc.md"

#: What Debian's own files say before they read the site of the guide, and a place for each file that is not the system's.
MAIN = """
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule env_module {modules}/mod_env.so
LoadModule include_module {modules}/mod_include.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
TypesConfig /etc/mime.types
Include {folder}/mon-service.conf
"""


def _run(guide: Guide) -> str:
    """A script that does what Debian's ``apache2ctl`` does with the ``envvars`` of the guide; two folders are the test's."""
    (guide.folder / "apache2.conf").write_text(MAIN.format(folder=guide.folder, modules="/usr/lib/apache2/modules"), "utf-8")
    guide.write("mon-service.conf", "pages/index.html", "pages/prive/index.shtml", "pages/au-revoir.html")
    moved = guide.text("service.env").replace("/var/www/mon-service", str(guide.folder / "pages"))
    return f"PATH=$PATH:/usr/sbin\n{moved}export APACHE_LOG_DIR={guide.folder}\nexec apache2 -DFOREGROUND -f {guide.folder}/apache2.conf\n"


@pytest.mark.service("chromium", "apache2")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC7636-4.6", "OIDCRP-2", "OIDCBCL-2.5", "OIDCBCL-2.6", "RFC6749-6")
def test_a_professional_logs_in_to_apache_and_the_session_ends_on_both_sides(tmp_path: Path, chromium: Browser) -> None:
    guide, port = Guide(PAGE, tmp_path), free_port()
    guide.settle(service=port)
    with running("--clients", str(guide.write_clients())) as provider:
        guide.settle(provider=urlsplit(provider.base_url).port)
        service = Service(f"http://127.0.0.1:{port}/", guide, provider)
        with guide.running_script("apache", _run(guide), service.address):
            _go_in_and_out(chromium, service)
    guide.check_used()


def _go_in_and_out(chromium: Browser, service: Service) -> None:
    (page, asked), private = window(chromium), f"{service.address}prive/index.shtml"
    page.goto(service.address)
    page.click("#connexion")
    answer_login(page, service.provider)
    page.wait_for_url(private)
    assert DOCTOR_NAME in page.inner_text("#qui")
    assert page.inner_text("#identifiant") == DOCTOR
    assert page.inner_text("#cle").startswith("f:")
    page.reload()
    assert page.inner_text("#identifiant") == DOCTOR, "a renewed token carries the session on"
    page.click("#deconnexion")
    page.wait_for_url(f"{service.address}au-revoir.html*")
    page.goto(private)
    answer_login(page, service.provider)  # the provider asks again who it is: its session is over too
    page.wait_for_url(private)
    assert_asked_for(asked)
    end_session_elsewhere(page, service.provider)
    log = service.guide.folder / "mon-service.log"
    told = '"POST /retour?logout=backchannel HTTP/1.1" 200'
    # Of the end that it asked for too, and of this one.
    assert until(lambda: log.read_text("utf-8").count(told) == 2), log.read_text("utf-8")
    page.goto(private)
    assert page.locator("#national_id").count() == 1
    page.context.close()
