import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from siem.settings import load, load_rule_settings

SAFE = {
    "SIEM_BASE_URL": "https://veille.example",
    "SIEM_OIDC_ISSUER": "https://idp.example/auth/realms/esante-wallet",
    "SIEM_IDP_ADMIN_URL": "https://idp.example/admin/v1",
    "SIEM_OIDC_CLIENT_SECRET": "not-a-real-secret",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SIEM_"):
            monkeypatch.delenv(name)


def test_production_is_the_default_and_accepts_safe_values() -> None:
    settings = load(SAFE)
    assert settings.environment == "production"
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize("name", SAFE)
def test_production_refuses_what_is_unsafe_and_says_what_to_do(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is unsafe in production: give"):
        load({key: value for key, value in SAFE.items() if key != name})


def test_production_never_acknowledges_what_a_power_cut_could_take() -> None:
    with pytest.raises(ValueError, match="SIEM_STORE_SYNCHRONOUS is unsafe in production"):
        load({**SAFE, "SIEM_STORE_SYNCHRONOUS": "normal"})
    assert load({"SIEM_ENVIRONMENT": "development", "SIEM_STORE_SYNCHRONOUS": "normal"}).store_synchronous == "normal"


def test_development_accepts_plain_http() -> None:
    assert load({"SIEM_ENVIRONMENT": "development"}).base_url == "http://127.0.0.1:8900"


def test_an_unknown_variable_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SIEM_BATCH_CUONT is not a setting of the watch"):
        load({**SAFE, "SIEM_BATCH_CUONT": "10"})


def test_variables_of_others_are_left_alone() -> None:
    load({**SAFE, "IDP_PORT": "8800", "PATH": "/usr/bin"})


def test_a_secret_may_come_from_a_file_and_does_not_show(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-a-file\n", "utf-8")
    given = {key: value for key, value in SAFE.items() if key != "SIEM_OIDC_CLIENT_SECRET"}
    settings = load({**given, "SIEM_OIDC_CLIENT_SECRET_FILE": str(file)})
    assert settings.oidc_client_secret.get_secret_value() == "from-a-file"
    assert "from-a-file" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"SIEM_DESK_API_KEY_FILE: .*nowhere cannot be read"):
        load({**SAFE, "SIEM_DESK_API_KEY_FILE": str(tmp_path / "nowhere")})


def test_only_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SIEM_HOST_FILE is not a setting"):
        load({**SAFE, "SIEM_HOST_FILE": str(tmp_path)})


def test_networks_are_read_from_a_list_and_a_wrong_one_is_refused() -> None:
    settings = load({**SAFE, "SIEM_TRUSTED_PROXIES": "127.0.0.1/32, 2001:db8::/32"})
    assert settings.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("2001:db8::/32"))
    with pytest.raises(ValueError, match="SIEM_TRUSTED_PROXIES"):
        load({**SAFE, "SIEM_TRUSTED_PROXIES": "everywhere"})


def test_a_number_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="SIEM_BATCH_COUNT"):
        load({**SAFE, "SIEM_BATCH_COUNT": "0"})


def test_closed_alerts_are_not_removed_before_a_rule_may_look_back_at_them() -> None:
    with pytest.raises(ValueError, match="SIEM_ALERT_RETENTION_DAYS is shorter than SIEM_HISTORY_DAYS"):
        load({**SAFE, "SIEM_ALERT_RETENTION_DAYS": "29"})
    assert load({**SAFE, "SIEM_ALERT_RETENTION_DAYS": "29", "SIEM_HISTORY_DAYS": "29"}).alert_retention_days == 29


def test_folders_of_rules_are_a_comma_separated_list() -> None:
    given = {"SIEM_EXTRA_RULES": "/srv/a, /srv/b,", "SIEM_STATE": "/srv/state"}
    assert load({**SAFE, **given}).extra_rules == (Path("/srv/a"), Path("/srv/b"))
    assert load(SAFE).extra_rules == ()


def test_commands_that_only_read_rules_need_no_other_setting() -> None:
    chosen = load_rule_settings({"SIEM_RULES": "/srv/rules", "SIEM_BASE_URL": "http://unsafe.example"})
    assert (chosen.rules, chosen.state) == (Path("/srv/rules"), Path("var/siem"))
    with pytest.raises(ValueError, match="SIEM_RUELS is not a setting"):
        load_rule_settings({"SIEM_RUELS": "/srv/rules"})
