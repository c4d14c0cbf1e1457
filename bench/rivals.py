"""Other engines of Sigma on the same rules and events: Zircolite (Python over SQLite) and rsigma (Rust).

Nothing of them is in the repository, and nothing here installs them: ``VEILLEUR_ZIRCOLITE`` and ``VEILLEUR_RSIGMA`` hold the commands that
run them (see the page on benchmarks), words as a shell cuts them. Each reads few events, then more: the processor time of what the
second run reads on top is its rate, so that its start and its reading of rules count for nothing.
"""

import os
import resource
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.report import Reference

_FEW: Final = 500
_MORE: Final = 4_500
_LONGEST_SECONDS: Final = 1_800
#: What a command makes of rules (a folder, or a file of its own) and a file of events, one JSON object a line.
Command = Callable[[Path, Path], Sequence[str]]


def rivals(folder: Path, rules: Path, lines: Sequence[bytes]) -> tuple[Reference, ...]:
    """Events per CPU-second of each, or why there is none. ``folder`` is ours to write in."""
    folder.mkdir()
    return (_zircolite(folder, rules, lines), _rsigma(folder, rules, lines))


def _zircolite(folder: Path, rules: Path, lines: Sequence[bytes]) -> Reference:
    words = shlex.split(os.environ.get("VEILLEUR_ZIRCOLITE", ""))
    if not words:
        return Reference(None, "no Zircolite: VEILLEUR_ZIRCOLITE names no command")
    base = [*words, "--no-auto-mode", "--outfile", str(folder / "found.json"), "--logfile", str(folder / "zircolite.log"), "--jsonl"]

    def command(ruleset: Path, events: Path) -> Sequence[str]:
        return [*base, "--events", str(events), "--ruleset", str(ruleset)]

    try:
        # Rules are turned into SQL once: that takes longer than everything else.
        before = set(folder.glob("*.json"))
        conversion = ["--pipeline", "sysmon", "windows-logsources", "--save-ruleset"]
        _run([*command(rules, _written(folder, lines[:1])), *conversion], folder)
        saved = [file for file in folder.glob("*.json") if file not in before and file.name != "found.json"]
        if not saved:
            return Reference(None, "no Zircolite: it saved no rules")
        return Reference(_rate(command, saved[0], folder, lines), "Zircolite, of its own process")
    except (subprocess.SubprocessError, OSError) as error:
        return Reference(None, f"no Zircolite: {error}")


def _rsigma(folder: Path, rules: Path, lines: Sequence[bytes]) -> Reference:
    words = shlex.split(os.environ.get("VEILLEUR_RSIGMA", ""))
    if not words:
        return Reference(None, "no rsigma: VEILLEUR_RSIGMA names no command")

    def command(ruleset: Path, events: Path) -> Sequence[str]:
        return [*words, "engine", "eval", "-r", str(ruleset), "-e", f"@{events}"]

    try:
        return Reference(_rate(command, rules, folder, lines), "rsigma, of its own process")
    except (subprocess.SubprocessError, OSError) as error:
        return Reference(None, f"no rsigma: {error}")


def _rate(command: Command, ruleset: Path, folder: Path, lines: Sequence[bytes]) -> float:
    """Events per CPU-second, of those that the second run reads on top, spread over all there are."""
    some = lines[:: max(1, len(lines) // _MORE)][:_MORE]
    first = some[:: max(1, len(some) // _FEW)][:_FEW]
    few = _run(command(ruleset, _written(folder, first)), folder)
    more = _run(command(ruleset, _written(folder, some)), folder)
    return (len(some) - len(first)) / max(more - few, 1e-9)


def _written(folder: Path, lines: Sequence[bytes]) -> Path:
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def _run(command: Sequence[str], folder: Path) -> float:
    """Processor time of a command and what it starts. Raises CalledProcessError, TimeoutExpired."""
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=_LONGEST_SECONDS)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
