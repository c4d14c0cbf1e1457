"""What the suite found, as a file: ``verdicts.json``, from which ``docs/reference/conformance.md`` takes its columns.

Shape: plan's file name → ``{plan, variant, run_on, provider, suite: {version, revision}, modules: [{module, verdict, remarks}]}``.
``provider`` is the last commit of the provider's files, with a ``+`` where they had changed since; runs of before that was kept have
none. A verdict is the suite's own word in small letters (``passed``, ``warning``, ``review``, ``failed``, ``skipped``,
``interrupted``); remarks are its conditions that failed or warned.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "verdicts.json"
#: From best to worst: a module that runs in several variants has the worst of its verdicts.
ORDER: Final = ("passed", "skipped", "review", "warning", "interrupted", "failed")
_TOLD: Final = ("FAILURE", "WARNING")

Verdict = Mapping[str, Any]


def verdict_of(module: str, info: Mapping[str, Any], log: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One module's entry, from what the suite says of it at the end."""
    result = str(info.get("result") or "").lower()
    verdict = "interrupted" if info.get("status") == "INTERRUPTED" and result != "failed" else result or "interrupted"
    remarks = [f"{entry['result'].lower()}: {entry['src']}: {entry.get('msg', '')}" for entry in log if entry.get("result") in _TOLD]
    return {"module": module, "verdict": verdict, "remarks": list(dict.fromkeys(remarks))}


def counted(modules: Iterable[Verdict]) -> str:
    """How many of each verdict, best first."""
    found = Counter(str(module["verdict"]) for module in modules)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in ORDER if found[verdict])


def worst(verdicts: Iterable[str]) -> str:
    """Of several runs of a module."""
    return max(verdicts, key=ORDER.index)


def provider_commit(tree: Path = FILE.parents[3]) -> str:
    """The last commit of ``tree`` that touched the provider, with a ``+`` where files have changed since; raises CalledProcessError."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=tree, check=True, capture_output=True, text=True).stdout.strip()

    files = ("--", "idp", "vocabulary")
    return git("log", "-1", "--format=%h", *files) + ("+" if git("status", "--porcelain", *files) else "")


def row(run: Mapping[str, Any]) -> tuple[str, ...]:
    """A run in the table of the page."""
    variant = ", ".join(f"{name}={value}" for name, value in run["variant"].items())
    suite = f"{run['suite']['version']} ({run['suite']['revision']})"
    return f"`{run['plan']}`", variant, counted(run["modules"]), run["run_on"], run.get("provider", "–"), suite


def by_module(plan: str, runs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Module to verdict, over every run of a plan: the worst of its variants."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for module in run["modules"] if run["plan"] == plan else ():
            found.setdefault(module["module"], []).append(module["verdict"])
    return {module: worst(verdicts) for module, verdicts in found.items()}


def load(path: Path = FILE) -> dict[str, Any]:
    """What is known so far."""
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return known


def keep(name: str, run: Mapping[str, Any], path: Path = FILE) -> None:
    """Write one plan's verdicts over those of before."""
    known = {**load(path), name: run}
    path.write_text(json.dumps(dict(sorted(known.items())), ensure_ascii=False, indent=1) + "\n", "utf-8")
