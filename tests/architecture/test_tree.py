"""What must not be in the tree: real people's numbers, addresses of registries and machines, unfinished business."""

import json
import re

import pytest

from tests.architecture.tree import ROOT, files, text
from vocabulary.identifiers import luhn_holds, nir_key

TEXTS = {path: content for path in files() if (content := text(path)) is not None}
VECTORS = json.loads((ROOT / "tests/vectors/identifiers.json").read_text("utf-8"))
INVENTED_INS = {row["matricule"] + row["key"] for row in VECTORS["ins"]["valid"]}
INVENTED_COMPANIES = {number for kind in ("siren", "siret") for number in VECTORS[kind]["valid"]}

# Written in two halves, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    f"{host}.{domain}" for host, domain in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io")]
]
MACHINE_PATHS = [f"/{folder}/" for folder in ("work", "root", "home")] + [f"/tmp/{'bg'}"]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]


def _found(pattern: str, *, but: tuple[str, ...] = ()) -> list[str]:
    expression = re.compile(pattern)
    return [
        f"{path}:{content.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path, content in TEXTS.items()
        if not path.startswith(but)
        for match in expression.finditer(content)
    ]


def _numbers(pattern: str) -> list[tuple[str, str]]:
    return [
        (path, number) for path, content in TEXTS.items() if not path.startswith("requirements/") for number in re.findall(pattern, content)
    ]


def test_every_rpps_is_an_invented_one() -> None:
    # Only numbers whose key holds can be somebody's; those of the 997 range are given to nobody.
    candidates = _numbers(r"(?<![\d.])8?(1\d{10}|8\d{10})(?![\d.])")
    assert [(path, number) for path, number in candidates if luhn_holds(number) and not number.startswith("997")] == []


def test_every_ins_is_an_invented_one() -> None:
    candidates = _numbers(r"(?<![\d.-])([12]\d{4}(?:\d{2}|2[AB])\d{6}[ ]?\d{2})(?![\d.])")
    real = [(path, number) for path, number in candidates if _is_ins(number.replace(" ", ""))]
    assert [(path, number) for path, number in real if number.replace(" ", "") not in INVENTED_INS] == []


def _is_ins(number: str) -> bool:
    return 1 <= int(number[3:5]) <= 12 and nir_key(number[:13]) == number[13:]


def test_every_establishment_is_an_invented_one() -> None:
    candidates = _numbers(r"(?i)finess[\"']?\s*[:=]\s*[\"']?(\d{9})(?!\d)")
    assert [(path, number) for path, number in candidates if luhn_holds(number) and int(number)] == []
    sites = _numbers(r"(?i)sire[nt][\"']?\s*[:=]\s*[\"']?(\d{9}(?:\d{5})?)(?!\d)")
    assert [(path, number) for path, number in sites if luhn_holds(number) and number not in INVENTED_COMPANIES] == []


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_registry_is_named(host: str) -> None:
    assert _found(re.escape(host)) == []


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_path_of_a_machine_is_named(path: str) -> None:
    assert _found(rf"(?<![\w.}}/-]){re.escape(path)}\w") == []


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_for_later(word: str) -> None:
    assert _found(rf"\b{word}\b", but=("requirements/",)) == []
