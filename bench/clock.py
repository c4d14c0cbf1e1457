"""How much processor time something took: our own process, or another one by its number."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def rate_of(work: Callable[[], int], *, seconds: float) -> float:
    """Units of work per CPU-second of this process; ``work`` returns how many it did. Repeated for about ``seconds``."""
    work()
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        done += work()
    return done / spent


def cpu_seconds(pid: int) -> float:
    """Processor time, user and system, of a process and its threads so far (proc(5), fields utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Memory of a process that is in RAM now, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))


def child_running(module: str) -> int:
    """The number of the process that we started with ``python -m <module>``; LookupError when there is none."""
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text("ascii").split():
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return int(pid)
    raise LookupError(f"no process of ours runs {module}")
