"""Each thing that can be wrong with an installation is found and named, and looking changes nothing."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from idp import doctor
from idp.clock import Clock
from idp.doctor import CardFiles, Installation, State, examine, reach
from idp.keys import Seal, Token
from idp.registration import apply_clients, read_clients
from idp.state import KeyPlaces, open_state
from idp.testing import running
from tests.idp.cards import DAY, Authority, pem_of
from tests.idp.keys.softhsm import LABEL, LIBRARY, softhsm
from vocabulary.audit import AuditAction, Outcome

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
ISSUER = "https://idp.example/auth/realms/esante-wallet"
CLIENTS = Path(__file__).parents[2] / "deploy/demo/clients.yaml"


async def _make(folder: Path, token: Token | None = None) -> None:
    state = open_state(
        folder,
        places=KeyPlaces(seal_key=folder / "seal.key", may_create_seal_key=True, token=token),
        issuer=ISSUER,
        clock=Clock(lambda: NOW, start_at=NOW),
    )
    try:
        await state.keys.create_missing()
        await apply_clients(state.store.clients, state.audit, read_clients(CLIENTS), {})
        for _ in range(3):
            state.audit.record(AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, {"health.relying_party.id": "x"})
    finally:
        await state.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idp") / "state"
    asyncio.run(_make(folder))
    folder.chmod(0o700)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "state")
    (tmp_path / "state").chmod(0o700)
    return tmp_path / "state"


def _where(folder: Path, **changes: Any) -> Installation:
    usual: dict[str, Any] = {"issuer": ISSUER, "trusted_proxies": ("10.0.0.0/8",), "development": False}
    return Installation(folder=folder, seal_key=folder / "seal.key", **(usual | changes))


def _states(where: Installation, now: datetime = NOW) -> dict[str, State]:
    return {one.part: one.state for one in examine(where, now)}


def test_a_sound_installation_has_no_fault_and_is_left_as_it_was(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    states = _states(_where(folder))
    assert State.FAULT not in states.values()
    assert {"settings", "state folder", "disk", "seal key", "store", "signing keys", "clients", "audit log"} == states.keys()
    assert {path: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".sqlite-shm", ".sqlite-wal")} == {
        path: data for path, data in before.items() if path.suffix not in (".sqlite-shm", ".sqlite-wal")
    }


def _break_log(folder: Path) -> None:
    log = folder / "audit.ndjson"
    log.write_bytes(log.read_bytes().replace(b'"x"', b'"y"', 1))


def _other_seal(folder: Path) -> None:
    (folder / "seal.key").unlink()
    Seal.create_file(folder / "seal.key")


def _no_keys(folder: Path) -> None:
    with sqlite3.connect(folder / "idp.sqlite") as connection:
        connection.execute("DELETE FROM keys WHERE name LIKE 'signing:%'")


def _newer(folder: Path) -> None:
    with sqlite3.connect(folder / "idp.sqlite") as connection:
        connection.execute("PRAGMA user_version = 999")


@pytest.mark.parametrize(
    ("harm", "part", "said"),
    [
        (shutil.rmtree, "state folder", "run `idp init`"),
        (lambda folder: folder.chmod(0o750), "state folder", "chmod 700"),
        (lambda folder: (folder / "seal.key").unlink(), "seal key", "IDP_SEAL_KEY_FILE"),
        (lambda folder: (folder / "seal.key").chmod(0o644), "seal key", "chmod 600"),
        (_other_seal, "signing keys", "not the one of this store"),
        (_no_keys, "signing keys", "none signs with RS256, ES256"),
        (lambda folder: (folder / "idp.sqlite").unlink(), "store", "backup"),
        (lambda folder: (folder / "idp.sqlite").write_bytes(b"not a database" * 1000), "store", "restore the last backup"),
        (lambda folder: (folder / "idp.sqlite").chmod(0o640), "store", "chmod 600"),
        (_newer, "store", "newer version"),
        (_break_log, "audit log", "it is evidence"),
        (lambda folder: (folder / "audit.ndjson").chmod(0o644), "audit log", "chmod 600"),
    ],
)
def test_each_fault_is_found_with_what_to_do(folder: Path, harm: Callable[[Path], object], part: str, said: str) -> None:
    for beside in ("idp.sqlite-wal", "idp.sqlite-shm"):
        (folder / beside).unlink(missing_ok=True)
    harm(folder)
    faults = [one for one in examine(_where(folder), NOW) if one.state is State.FAULT]
    assert (part, True) in {(one.part, said in one.text) for one in faults}


def test_a_clock_behind_the_last_event_is_a_fault_and_an_old_key_a_warning(folder: Path) -> None:
    assert _states(_where(folder), NOW - timedelta(hours=1))["clock"] is State.FAULT
    assert _states(_where(folder), NOW + timedelta(days=500))["signing keys"] is State.WARNING


def test_what_weakens_a_provider_is_a_warning(folder: Path) -> None:
    assert _states(_where(folder, development=True))["settings"] is State.WARNING
    assert _states(_where(folder, trusted_proxies=()))["settings"] is State.WARNING
    assert _states(_where(folder, issuer="http://127.0.0.1:8800"))["clients"] is State.WARNING


@pytest.mark.parametrize(("free", "state"), [(10_000_000, State.FAULT), (1_000_000_000, State.WARNING), (9_000_000_000, State.WELL)])
def test_a_disk_that_fills_up_is_told_before_it_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(free * 2, free, free))  # type: ignore[attr-defined]
    assert _states(_where(folder))["disk"] is state


def test_a_provider_is_reached_under_its_own_name_or_not() -> None:
    with running() as provider:
        assert asyncio.run(reach(provider.issuer, "openid-configuration", NOW)).state is State.WELL
        other = provider.issuer.replace("127.0.0.1", "localhost")
        assert "relying parties will refuse it" in asyncio.run(reach(other, "openid-configuration", NOW)).text
    assert asyncio.run(reach(provider.issuer, "openid-configuration", NOW)).state is State.FAULT


@pytest.mark.service("softhsm2-util")
def test_a_security_module_is_asked_whether_it_has_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hsm = softhsm(tmp_path, monkeypatch)
    folder = tmp_path / "state"
    asyncio.run(_make(folder, Token(LIBRARY, LABEL, hsm.pin_file)))
    folder.chmod(0o700)

    def found(token: Token | None) -> tuple[State, str]:
        [one] = [one for one in examine(_where(folder, token=token), NOW) if one.part == "security module"]
        return one.state, one.text

    here = Token(LIBRARY, LABEL, hsm.pin_file)
    assert found(here) == (State.WELL, f"2 keys on the {here.name}")
    assert found(None)[0] is State.FAULT
    here.generate("ES256")
    assert found(here)[0] is State.WARNING, "a key that nothing names"
    hsm.pin_file.chmod(0o644)
    assert "chmod 600" in found(Token(LIBRARY, LABEL, hsm.pin_file))[1]
    hsm.pin_file.chmod(0o600)
    hsm.take_out()
    assert found(Token(LIBRARY, LABEL, hsm.pin_file))[0] is State.FAULT
    hsm.put_back()
    hsm.wipe()
    state, text = found(Token(LIBRARY, LABEL, hsm.pin_file))
    assert (state, "2 of 2 keys are not" in text) == (State.FAULT, True)


@pytest.mark.service("softhsm2-util")
def test_keys_of_before_the_module_are_told_of(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hsm = softhsm(tmp_path, monkeypatch)
    states = _states(_where(folder, token=Token(LIBRARY, LABEL, hsm.pin_file)))
    assert (states["signing keys"], states["security module"]) == (State.WELL, State.WARNING)


ROOT = Authority("CN=Racine d'essai", NOW)
ISSUER_OF_CARDS = Authority("CN=Cartes d'essai", NOW, ROOT)


def _cards(tmp_path: Path, lists: bytes | None, identifier: str = "CN") -> CardFiles:
    (tmp_path / "authorities.pem").write_bytes(ROOT.pem + ISSUER_OF_CARDS.pem)
    if lists is not None:
        (tmp_path / "lists.pem").write_bytes(lists)
    revocations = tmp_path / "lists.pem" if lists is not None else None
    return CardFiles(authorities=tmp_path / "authorities.pem", revocations=revocations, identifier=identifier)


@pytest.mark.parametrize(
    ("lists", "state", "words"),
    [
        (pem_of(ISSUER_OF_CARDS.revokes()), State.WELL, "1 lists, current until 2026-11-29"),
        (None, State.WARNING, "set IDP_CARD_REVOCATIONS_FILE"),
        (b"<html>", State.FAULT, "lists.pem cannot be read"),
        (pem_of(ISSUER_OF_CARDS.revokes(at=NOW - 9 * DAY)), State.FAULT, "past its nextUpdate: the list of CN=Cartes d'essai"),
        (pem_of(ROOT.revokes()), State.WARNING, "has no list of CN=Cartes d'essai"),
    ],
    ids=["current", "none", "broken", "stale", "of another"],
)
def test_lists_of_revoked_cards_that_do_not_serve_are_found(
    folder: Path, tmp_path: Path, lists: bytes | None, state: State, words: str
) -> None:
    found = {one.part: one for one in examine(_where(folder, cards=_cards(tmp_path, lists)), NOW)}
    assert found["cards"].state is State.WELL
    assert found["revoked cards"].state is state
    assert words in found["revoked cards"].text


def test_authorities_of_cards_that_end_or_cannot_be_used_are_found(folder: Path, tmp_path: Path) -> None:
    cards = _cards(tmp_path, None)
    assert _states(_where(folder, cards=cards), NOW + 3640 * DAY)["cards"] is State.WARNING
    assert _states(_where(folder, cards=cards), NOW + 3660 * DAY)["cards"] is State.FAULT
    assert _states(_where(folder, cards=_cards(tmp_path, None, identifier="prenom")))["cards"] is State.FAULT
    cards.authorities.write_bytes(b"")
    assert _states(_where(folder, cards=cards))["cards"] is State.FAULT
    assert "cards" not in _states(_where(folder))
