"""``make fuzz``: the parsers of the registry under libFuzzer, guided by what each input covers; the same program runs again what it found.

    python -m tests.fuzz list                      the targets
    python -m tests.fuzz run SECONDS [PATTERN]     those that the pattern names, two at a time, each in a process of its own
    python -m tests.fuzz again NAME FILE           one input once more, without atheris: the traceback, or nothing

What was learned stays in ``var/fuzz/corpus``, faults in ``var/fuzz/faults``. The input of a fault that was mended goes to
``tests/fuzz/found/NAME``, where the suite tries it for ever.
"""

import fnmatch
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.fuzz.target import Target

_ROOT: Final = Path(__file__).resolve().parents[2]
_STATE: Final = _ROOT / "var/fuzz"
#: One input may take this long (on a busy machine), and the process this much memory.
_INPUT_SECONDS, _PROCESS_MEGABYTES = 60, 1_500
#: Targets that begin whole applications, with threads of their own: made in the process that uses them.
_ROUTES: Final = ("provider-routes", "watch-routes")
_AT_ONCE: Final = 2


def _find(name: str) -> "Target":
    if name in _ROUTES:
        from tests.fuzz.routes import targets

        return next(target for target in targets() if target.name == name)
    from tests.fuzz.registry import TARGETS

    return TARGETS[name]


def _names(pattern: str) -> list[str]:
    from tests.fuzz.registry import TARGETS

    return [name for name in (*TARGETS, *_ROUTES) if fnmatch.fnmatch(name, pattern)]


def run(seconds: int, pattern: str) -> int:
    """The number of targets with a fault; what each said is in ``var/fuzz/logs``."""
    import atheris

    print("Instrumenting the programs, which takes half a minute …", flush=True)
    with _silent(), atheris.instrument_imports(include=["idp", "siem", "vocabulary", "joserfc"], enable_loader_override=False):
        import tests.fuzz.routes  # noqa: F401  (all that any target uses, once for all of them)

        waiting = _names(pattern)
    if not waiting:
        print(f"no target is called {pattern}; python -m tests.fuzz list")
        return 1
    for folder in ("logs", "faults"):
        (_STATE / folder).mkdir(parents=True, exist_ok=True)
    running: dict[int, str] = {}
    faults = 0
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            name = waiting.pop(0)
            running[_started(name, seconds)] = name
        process, status = os.wait()
        faults += _told(running.pop(process), seconds, process, status)
    return faults


def _started(name: str, seconds: int) -> int:
    """The process that fuzzes one target, and ends by itself."""
    process = os.fork()
    if process:
        return process
    with (_STATE / "logs" / f"{name}.log").open("wb") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.nice(10)
    try:
        _fuzz(name, seconds)
    except BaseException:  # noqa: BLE001  (this process has no other way to say it)
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


def _fuzz(name: str, seconds: int) -> None:
    """Never returns: libFuzzer ends the process, with a status other than 0 after a fault."""
    import atheris

    target = _find(name)
    corpus = _STATE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed[: target.longest])
    options = [
        *(sys.argv[0], str(corpus), f"-artifact_prefix={_STATE}/faults/{name}-{os.getpid()}-", f"-max_total_time={seconds}"),
        *(f"-max_len={target.longest}", f"-timeout={_INPUT_SECONDS}", f"-rss_limit_mb={_PROCESS_MEGABYTES}"),
        *("-print_final_stats=1", "-verbosity=0", "-use_value_profile=1"),
    ]

    def tried(data: bytes) -> None:
        try:
            target.run(data)
        except BaseException:
            # What kills the process libFuzzer writes down itself; an exception would end it first.
            (_STATE / f"faults/{name}-{os.getpid()}-raised").write_bytes(data)
            raise

    atheris.Setup(options, tried, custom_mutator=_mutator(target, lambda data, longest: atheris.Mutate(data, longest)))
    atheris.Fuzz()


def _mutator(target: "Target", bytes_changed: Callable[[bytes, int], bytes]) -> Callable[[bytes, int, int], bytes]:
    """Every other input is changed in its structure, the others as libFuzzer does."""
    from tests.fuzz.mutation import mutated

    def change(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes_changed(data, longest)
        return mutated(data, target.shape, random, longest=longest)

    return change


def _told(name: str, seconds: int, process: int, status: int) -> int:
    """One line of what became of a target; 1 for a fault."""
    log = _STATE / "logs" / f"{name}.log"
    counted = re.search(r"number_of_executed_units: *(\d+)", log.read_text("utf-8", "replace"))
    if status == 0:
        print(f"  sound  {name}: {counted[1] if counted else 'no'} inputs in {seconds} s", flush=True)
        return 0
    print(f"  FAULT  {name}: {log.relative_to(_ROOT)} says which", flush=True)
    for path in sorted((_STATE / "faults").glob(f"{name}-{process}-*")):
        print(f"         again: .venv/bin/python -m tests.fuzz again {name} {path.relative_to(_ROOT)}", flush=True)
    return 1


class _silent:
    """Sends what atheris says of each module nowhere."""

    def __enter__(self) -> None:
        sys.stderr.flush()
        self._kept = os.dup(2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)

    def __exit__(self, *_error: object) -> None:
        sys.stderr.flush()
        os.dup2(self._kept, 2)
        os.close(self._kept)


def again(name: str, file: Path) -> int:
    """What the input does, in a plain Python."""
    if name not in _names("*"):
        print(f"no target is called {name}; python -m tests.fuzz list")
        return 1
    _find(name).run(file.read_bytes())
    print("read, or refused as declared")
    return 0


def main(arguments: list[str]) -> int:
    """The status of the process."""
    match arguments:
        case ["list"]:
            print("\n".join(_names("*")))
        case ["run", seconds]:
            return min(run(int(seconds), "*"), 1)
        case ["run", seconds, pattern]:
            return min(run(int(seconds), pattern), 1)
        case ["again", name, file]:
            return again(name, Path(file))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
