"""A million indicators: what loading them takes, what the watch holds of them, and what they cost an event."""

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.clock import rate_of, resident_megabytes
from bench.report import Row
from siem.detection.engine import Engine
from siem.detection.indicators import Kind
from siem.detection.load import load_rules
from siem.event import Event
from siem.indicators.sets import FOLDER, Sets

ROOT: Final = Path(__file__).resolve().parents[1]
_COUNT: Final = 1_000_000
_AT: Final = datetime(2026, 3, 14, 23, 0, tzinfo=UTC)


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure; ``folder`` is empty and ours, ``seconds`` what each rate takes at least."""
    feed = folder / "feed.txt"
    rng = random.Random(7)
    feed.write_text("".join(_line(rng) for _ in range(_COUNT)), "ascii")
    yield from _loading(folder, feed)
    before = resident_megabytes(os.getpid())
    sets = Sets(folder / FOLDER)
    begun = time.process_time()
    sets.refresh()
    yield Row(name="taking a set of a million up, in the watch", value=time.process_time() - begun, unit="s", lower_is_better=True)
    yield from _looking_up(sets, seconds)
    held = resident_megabytes(os.getpid()) - before
    yield Row(name="memory that the watch holds of it, after looking up", value=held, unit="MB", lower_is_better=True)
    yield from _events(sets, seconds)


def _line(rng: random.Random) -> str:
    share = rng.random()
    if share < 0.6:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}\n"
    if share < 0.65:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.0/{rng.randrange(24, 32)}\n"
    if share < 0.9:
        return f"h{rng.randrange(10**9)}.d{rng.randrange(10**6)}.example\n"
    return f"{rng.getrandbits(256):064x}\n"


def _loading(folder: Path, feed: Path) -> Iterator[Row]:
    environment = {**os.environ, "SIEM_STATE": str(folder), "SIEM_ENVIRONMENT": "development"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "siem.cli", "indicators", "load", str(feed), "--name", "bench"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield Row(name="siem indicators load, a list of a million", value=spent, unit="CPU-s", lower_is_better=True)
    yield Row(name="most memory of that command", value=after.ru_maxrss / 1000, unit="MB", lower_is_better=True)
    size = (folder / FOLDER / "bench.set").stat().st_size / 1e6
    yield Row(name="size of the set on the disk", value=size, unit="MB", lower_is_better=True)


def _looking_up(sets: Sets, seconds: float) -> Iterator[Row]:
    rng = random.Random(8)
    addresses = [f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(5_000)]
    names = [f"https://www.h{rng.randrange(10**9)}.d{rng.randrange(10**6)}.example/x" for _ in range(5_000)]

    def look_up(kind: Kind, texts: list[str]) -> int:
        for text in texts:
            sets.find(kind, text)
        return len(texts)

    networks = len(sets.books[0].about.prefixes)
    yield Row(
        name=f"looking up an address never seen before, {networks} lengths of networks",
        value=rate_of(lambda: look_up(Kind.ADDRESS, addresses), seconds=seconds),
        unit="values/CPU-s",
    )
    yield Row(
        name="looking up the host of a URL never seen before",
        value=rate_of(lambda: look_up(Kind.DOMAIN, names), seconds=seconds),
        unit="values/CPU-s",
    )


def _events(sets: Sets, seconds: float) -> Iterator[Row]:
    """Events whose addresses come again, as those of a night do, with and without sets."""
    rng = random.Random(9)
    ruleset = load_rules(ROOT / "rules")
    addresses = [f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(2_000)]
    events = [
        Event(
            f"e{number}",
            _AT,
            "web",
            "default",
            {"event.dataset": "nginx.access", "source.ip": rng.choice(addresses), "url.original": f"/d/{rng.randrange(500)}"},
        )
        for number in range(20_000)
    ]
    engine = Engine(ruleset)

    def compare() -> int:
        for event in events:
            for _ in engine.indicators.match(event):
                pass
        return len(events)

    yield Row(name="comparing an event with no set", value=rate_of(compare, seconds=seconds), unit="events/CPU-s")
    engine.indicators.book = sets
    yield Row(name="comparing an event with a million indicators", value=rate_of(compare, seconds=seconds), unit="events/CPU-s")
