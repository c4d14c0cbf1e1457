"""``make audit``: the locked packages against the advisories that are published, with the hashes that we lock.

0   every package was looked up, and what is known of it is accepted (accepted.toml, with a reason and a last day)
1   a vulnerability is known that nobody has accepted, or an acceptance has run out
2   not every package could be looked up: that is no good news, and is never told as one
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
ACCEPTED: Final = Path(__file__).with_name("accepted.toml")
#: What pip-audit says when it has done its work, with and without a finding.
_DONE: Final = (0, 1)
_SOUND, _VULNERABLE, _UNKNOWN = 0, 1, 2

#: The output of pip-audit for a file of requirements, or why there is none.
Ask = Callable[[Path], "Mapping[str, Any] | str"]


class AcceptanceError(ValueError):
    """accepted.toml cannot be used; the text says which entry and why."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An advisory that does no harm here, until a day."""

    id: str
    package: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Finding:
    """A published fault of a package that we use. ``names``: its identifier and aliases; ``mended``: versions without it."""

    package: str
    version: str
    names: tuple[str, ...]
    mended: tuple[str, ...]

    def is_accepted(self, one: Accepted) -> bool:
        """Whether the acceptance is of this fault."""
        return one.package == self.package and one.id in self.names


def read_accepted(path: Path) -> list[Accepted]:
    """The acceptances of the file; raises :class:`AcceptanceError`."""
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("advisory", [])
        made = [Accepted(**entry) for entry in entries]
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise AcceptanceError(f"{path}: {error}; an advisory has id, package, reason and expires") from error
    for one in made:
        if type(one.expires) is not date or not all((one.id, one.package, one.reason)):
            raise AcceptanceError(f"{path}: {one.id or 'an entry without id'}: a package, a reason and a last day are needed")
    return made


def audited(files: Sequence[Path], ask: Ask) -> tuple[list[Finding], dict[str, str], int]:
    """What is known of the packages of the files; those that could not be looked up, each with why; how many could."""
    found: dict[tuple[str, tuple[str, ...]], Finding] = {}
    unknown: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    for file in files:
        said = ask(file)
        if isinstance(said, str):
            unknown[file.name] = said
            continue
        for package in said.get("dependencies", []):
            if "skip_reason" in package:
                unknown[package["name"]] = str(package["skip_reason"])
                continue
            known.add((package["name"], package["version"]))
            found |= {(one.package, one.names): one for one in _findings(package)}
    return list(found.values()), unknown, len(known)


def _findings(package: Mapping[str, Any]) -> Iterator[Finding]:
    for advisory in package.get("vulns", []):
        names = (str(advisory["id"]), *map(str, advisory.get("aliases", ())))
        yield Finding(package["name"], package["version"], names, tuple(map(str, advisory.get("fix_versions", ()))))


def judged(found: Sequence[Finding], unknown: Mapping[str, str], accepted: Sequence[Accepted], today: date) -> tuple[int, list[str]]:
    """The status, and the lines that say why."""
    lines: list[str] = []
    status = _SOUND
    for one in found:
        acceptance = next((each for each in accepted if one.is_accepted(each)), None)
        about = f"{one.package} {one.version}: {' = '.join(one.names)}"
        if acceptance is not None and today <= acceptance.expires:
            lines.append(f"  accepted until {acceptance.expires}  {about}: {acceptance.reason}")
            continue
        status = _VULNERABLE
        mended = f"mended in {', '.join(one.mended)}: make lock UPGRADE=1" if one.mended else "no version without it is known"
        ended = f"; its acceptance ended on {acceptance.expires}" if acceptance else ""
        lines.append(f"  VULNERABLE  {about}; {mended}{ended}")
    if unknown:
        status = status or _UNKNOWN
        reasons = sorted(set(unknown.values()))
        lines.append(f"  NOT LOOKED UP  {len(unknown)}: {', '.join(sorted(unknown)[:5])} …; {reasons[0][:200]}")
        lines.append("  Nothing is known of these: run it again where the advisories can be reached. This is no clean result.")
    elif idle := [one for one in accepted if not any(each.is_accepted(one) for each in found)]:
        status = status or _VULNERABLE
        lines += [f"  {one.id} of {one.package} is not found any more: take it out of accepted.toml" for one in idle]
    return status, lines


def asking(program: Path) -> Ask:
    """Asks pip-audit, which looks up what is locked and resolves nothing."""

    def ask(file: Path) -> Mapping[str, Any] | str:
        command = [
            str(program),
            "--requirement",
            str(file),
            "--require-hashes",
            "--disable-pip",
            "--format",
            "json",
            "--progress-spinner",
            "off",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stderr.strip().splitlines()
        if done.returncode not in _DONE:
            return said[-1][:300] if said else f"pip-audit ended with {done.returncode}"
        try:
            document: Mapping[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            # It also ends with 1 when it cannot reach anybody, and has then no document.
            return said[-1][:300] if said else "pip-audit gave no result"
        return document

    return ask


def main(program: str) -> int:
    """Audit every file of requirements; prints what was found and returns the status."""
    try:
        accepted = read_accepted(ACCEPTED)
    except AcceptanceError as error:
        print(error)
        return _VULNERABLE
    files = sorted((ROOT / "requirements").glob("*.txt"))
    found, unknown, count = audited(files, asking(Path(program)))
    status, lines = judged(found, unknown, accepted, datetime.now(UTC).date())
    print(f"{count} locked packages were looked up, {len(found)} advisories concern them.")
    print("\n".join(lines or ["  nothing is known against any of them"]))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
