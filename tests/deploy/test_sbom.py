"""The bill of materials is about this version, holds what is locked, and no licence that nobody accepted."""

from typing import Any

import pytest

from deploy.supply_chain.sbom import faults, licences_of, locked_versions

LOCKED = locked_versions(
    "annotated-types==0.8.0 \\\n    --hash=sha256:00\nzope.interface==7.0 ; python_version < '4' \\\n    --hash=sha256:11\n"
)
ACCEPTED = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause"})


def _component(name: str, version: str, *licences: dict[str, Any]) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": version, "licenses": list(licences)}


MIT = {"license": {"id": "MIT"}}


def _document(*components: dict[str, Any], version: str = "0.1.0") -> dict[str, Any]:
    return {"specVersion": "1.6", "metadata": {"component": {"name": "veilleur", "version": version}}, "components": list(components)}


def test_what_is_locked_and_licensed_is_right() -> None:
    document = _document(_component("annotated-types", "0.8.0", MIT), _component("zope_interface", "7.0", MIT))
    assert list(faults(document, "0.1.0", LOCKED, ACCEPTED)) == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (_document(version="0.0.9"), "not veilleur 0.1.0"),
        (_document(_component("annotated-types", "0.9.0", MIT)), "is not what is locked (0.8.0)"),
        (_document(_component("stranger", "1.0", MIT)), "is not what is locked (nothing)"),
        (_document(_component("annotated-types", "0.8.0")), "no licence is declared"),
        (_document(_component("annotated-types", "0.8.0", {"expression": "MIT OR GPL-3.0-only"})), "GPL-3.0-only is not a licence"),
    ],
)
def test_what_is_not_the_truth_is_named(document: dict[str, Any], said: str) -> None:
    (fault,) = faults(document, "0.1.0", LOCKED, ACCEPTED)
    assert said in fault


@pytest.mark.parametrize(
    ("licences", "found"),
    [
        ([{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}], {"MPL-2.0", "Apache-2.0", "MIT"}),
        ([{"license": {"name": "License :: OSI Approved :: BSD License"}}, {"license": {"id": "BSD-3-Clause"}}], {"BSD-3-Clause"}),
        ([{"license": {"name": "our own terms"}}], {"our own terms"}),
    ],
)
def test_licences_are_read_as_spdx_identifiers(licences: list[dict[str, Any]], found: set[str]) -> None:
    assert licences_of({"licenses": licences}) == found
