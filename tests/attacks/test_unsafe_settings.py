"""A production provider does not start with what a demonstration may do.

Precedents: debugging aids left on (CWE-489) and keys that others can read (CWE-732);
Hydra's and Keycloak's «dev mode» left on, node-oidc-provider's in-memory adapter, Zitadel CVE-2026-29067.
"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from idp.app import create_app
from idp.errors import OperationError
from idp.keys import Seal
from idp.settings import Settings

pytestmark = pytest.mark.precedent("CWE-489", "CWE-732")


@pytest.mark.parametrize(
    "members",
    [
        {"base_url": "http://idp.example"},
        {"issuer": "http://idp.example/auth"},
        {"issuer": "https://other.example/auth"},
        {"base_url": "https://idp.example/?a=b"},
        {"control_api": True},
        {"clock_start": "2026-01-01T00:00:00Z"},
        {"discovery_psc_values": True},
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "10.0.0.0/8,::/0"},
        {"session_idle": 0},
        {"session_max": -1},
        {"approval_lifetime": "PT0S"},
        {"attempt_window": -5},
        {"client_failure_limit_count": 0},
        {"account_attempt_limit_count": 0},
        {"source_attempt_limit_count": 0},
    ],
)
def test_it_is_refused_by_name(members: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="(?i)" + next(iter(members))):
        Settings(**{"base_url": "https://idp.example", **members})  # type: ignore[arg-type]


def test_a_seal_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Seal.create_file(tmp_path / "seal.key")
    (tmp_path / "seal.key").chmod(0o644)
    with pytest.raises(OperationError, match="other users may read it"):
        create_app(Settings(base_url="https://idp.example", state=tmp_path))


@pytest.mark.parametrize("content", ["", "AAAA", "A" * 44, "é" * 43])
def test_a_seal_key_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    key = tmp_path / "seal.key"
    key.touch(0o600)
    key.write_text(content, "utf-8")
    with pytest.raises(OperationError, match="seal key"):
        create_app(Settings(base_url="https://idp.example", state=tmp_path))


def test_what_is_kept_is_for_the_owner_s_eyes(tmp_path: Path) -> None:
    Seal.create_file(tmp_path / "seal.key")
    create_app(Settings(base_url="https://idp.example", state=tmp_path))
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.stat().st_mode & 0o077} == {}
