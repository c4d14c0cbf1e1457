"""``make sbom``: the parts of what runs, as CycloneDX JSON, held against the lock file and the licences that we accept."""

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.supply_chain.audit import ACCEPTED, ROOT

#: What packages call licences in their classifiers, by SPDX identifier.
_CLASSIFIERS: Final[Mapping[str, str]] = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def licences_of(component: Mapping[str, Any]) -> frozenset[str]:
    """SPDX identifiers of a component, expressions taken apart; what is none stays as it is written."""
    found: set[str] = set()
    for one in component.get("licenses", ()):
        said = one.get("expression") or one["license"].get("id") or one["license"].get("name", "")
        if said in _CLASSIFIERS:
            found.add(_CLASSIFIERS[said])
        else:
            found.update(part for part in re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", said) if part.strip())
    return frozenset(found)


def faults(document: Mapping[str, Any], version: str, locked: Mapping[str, str], accepted: frozenset[str]) -> Iterator[str]:
    """What keeps the document from being the truth about a product that may be handed on."""
    root = document["metadata"]["component"]
    if (root["name"], root.get("version")) != ("veilleur", version):
        yield f"it is about {root['name']} {root.get('version')}, not veilleur {version}"
    components = {_name(one["name"]): one for one in document["components"]}
    for name, one in sorted(components.items()):
        if locked.get(name) != one.get("version"):
            yield f"{name} {one.get('version')} is not what is locked ({locked.get(name, 'nothing')})"
        licences = licences_of(one)
        if not licences:
            yield f"{name}: no licence is declared"
        elif beyond := licences - accepted:
            yield f"{name}: {', '.join(sorted(beyond))} is not a licence of accepted.toml"


def locked_versions(requirements: str) -> dict[str, str]:
    """Version by name, of a file of requirements; those for other systems too."""
    return {_name(name): version for name, version in _LOCKED.findall(requirements)}


def _name(name: str) -> str:
    """One spelling for each package (PyPA, «name normalization»)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(path: str) -> int:
    """Look the document over; prints its parts by licence, and what is wrong."""
    document = json.loads(Path(path).read_text("utf-8"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    locked = locked_versions((ROOT / "requirements/runtime.txt").read_text("utf-8"))
    accepted = frozenset(tomllib.loads(ACCEPTED.read_text("utf-8"))["licences"])
    counted = Counter(" and ".join(sorted(licences_of(one))) for one in document["components"])
    print(f"{path}: veilleur {version} and {len(document['components'])} parts, CycloneDX {document['specVersion']}")
    for licences, count in counted.most_common():
        print(f"  {count:3} {licences or 'no licence declared'}")
    wrong = list(faults(document, version, locked, accepted))
    for fault in wrong:
        print(f"  WRONG  {fault}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
