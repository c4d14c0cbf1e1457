"""The processes of the demonstration: started in a folder, watched, stopped by their process id."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.demo.wire import Browser, Refused

ROOT = Path(__file__).resolve().parents[2]


class PortTaken(Exception):
    """Something else listens where we would; the message names the setting that changes it."""


def require_free(port: int, setting: str) -> None:
    """Raise PortTaken when nobody else could listen on that port of loopback."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(f"port {port} is taken ({error.strerror}); choose another one: {setting}={port + 1} make demo") from error


class Server:
    """One server process. Its output goes to ``<folder>/<name>.log``."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], folder: Path, ready_url: str) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", *arguments]
        self._environment = {**{k: v for k, v in os.environ.items() if not k.startswith(("IDP_", "SIEM_"))}, **environment}
        self._log = folder / f"{name}.log"
        self._ready_url = ready_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; :meth:`wait_ready` says when it answers."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_ready(self, timeout_seconds: float = 30) -> None:
        """Return once it answers; Refused with the end of its log when it ended or stays silent."""
        give_up_at = time.monotonic() + timeout_seconds
        browser = Browser(user_agent="demo-readiness/1.0")
        while time.monotonic() < give_up_at:
            if self._process is None or self._process.poll() is not None:
                raise Refused(f"{self.name} ended while starting; the end of {self._log}:\n{self.last_lines()}")
            try:
                if browser.get(self._ready_url).status == 200:
                    return
            except Refused:
                pass
            time.sleep(0.03)
        raise Refused(
            f"{self.name} does not answer at {self._ready_url} after {timeout_seconds:.0f} s; the end of {self._log}:\n{self.last_lines()}"
        )

    def last_lines(self, count: int = 25) -> str:
        """The end of its log."""
        return (
            "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]) if self._log.exists() else "(no log)"
        )

    def ended(self) -> bool:
        """Whether it is not running any more."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


def run_command(arguments: list[str], environment: Mapping[str, str]) -> str:
    """Run one of our commands to its end; Refused with what it printed when it fails."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("IDP_", "SIEM_"))}, **environment}
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(arguments)} failed with status {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
