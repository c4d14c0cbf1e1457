"""A real SoftHSM2 token in a folder of the test: its own configuration, its own PIN file."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "2468-hsm-pin"
LABEL = "veilleur"


class SoftHsm:
    """The token, which a test takes out and puts back."""

    def __init__(self, folder: Path) -> None:
        self.tokens, self._away = folder / "tokens", folder / "tokens.away"
        self.pin_file = folder / "token.pin"
        self.tokens.mkdir(exist_ok=True)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.write_pin(PIN)
        self.initialise()

    def initialise(self) -> None:
        """An empty token."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "1357-so-pin"]
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(command, check=True, capture_output=True, env=environment)

    def write_pin(self, pin: str, mode: int = 0o600) -> None:
        self.pin_file.write_text(pin + "\n")
        self.pin_file.chmod(mode)

    def take_out(self) -> None:
        """As when somebody pulls the card, or the network to the module ends."""
        self.tokens.rename(self._away)

    def put_back(self) -> None:
        self._away.rename(self.tokens)

    def wipe(self) -> None:
        """Every key is gone; the token is another one."""
        shutil.rmtree(self.tokens)
        self.tokens.mkdir()
        self.initialise()

    @property
    def settings(self) -> dict[str, object]:
        """Those of the provider."""
        return {"pkcs11_module": LIBRARY, "pkcs11_label": LABEL, "pkcs11_pin_file": self.pin_file}


def softhsm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """A token, where SoftHSM2 is installed. One process loads the library once: a test forgets what the one before it configured."""
    made = SoftHsm(folder)
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    import pkcs11
    from pkcs11.exceptions import PKCS11Error

    try:
        pkcs11.lib(str(LIBRARY)).reinitialize()
    except PKCS11Error as error:
        raise RuntimeError("SoftHSM2 does not start") from error
    return made
