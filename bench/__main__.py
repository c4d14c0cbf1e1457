"""Measure, and print the table.

python -m bench [provider] [watch] [detection] [indicators] [history] [--seconds 5] [--json FILE]

Everything runs on this machine, on loopback, in a temporary folder, and ends by itself. Exit status 1 when a budget was missed
and ``--strict`` was asked for.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import detection, history, indicators, provider, watch
from bench.report import Row, table

GROUPS: Final[Mapping[str, Callable[[Path, float], Iterator[Row]]]] = {
    "provider": provider.rows,
    "watch": watch.rows,
    "detection": detection.rows,
    "indicators": indicators.rows,
    "history": history.rows,
}


def main() -> int:
    """Run the groups asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description="Rates per CPU-second beside the budget and beside what bounds them.")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"which of {', '.join(GROUPS)} (all)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each measure lasts (5)")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a budget is missed")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {unknown[0]}; there are {', '.join(GROUPS)}")
    rows: list[Row] = []
    for name in options.groups or GROUPS:
        with tempfile.TemporaryDirectory(prefix=f"veilleur-bench-{name}-") as folder:
            for row in GROUPS[name](Path(folder), options.seconds):
                print(f"measured: {row.name}", file=sys.stderr)
                rows.append(row)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", "utf-8")
    return 1 if options.strict and not all(row.within_budget for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
