"""Every rule of the repository: it loads, carries its proof, and Sigma's own tools accept it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from siem.detection.load import load_rules
from siem.detection.prove import check
from siem.detection.prove import test as prove

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "rules"
PROOFS = ROOT / "tests" / "rules"
PROVED = prove(RULES, proofs=PROOFS)
FILES = sorted(path.relative_to(RULES).as_posix() for path in RULES.rglob("*.yml"))


def test_nothing_is_wrong_with_the_rules() -> None:
    assert check(RULES, proofs=PROOFS) == []


@pytest.mark.parametrize("path", FILES)
def test_a_rule_matches_what_it_must_and_ignores_the_near_miss(path: str) -> None:
    results = [result for result in PROVED.results if result.path == path]
    assert {result.kind for result in results} == {"match", "ignore"}
    assert [problem for result in results for problem in result.problems] == []
    assert all(result.line_count for result in results)


def test_a_proof_belongs_to_a_rule() -> None:
    proofs = {path.parent.relative_to(PROOFS).as_posix() + ".yml" for path in PROOFS.rglob("*.jsonl")}
    assert proofs == set(FILES)


def test_the_attack_of_the_night_has_its_techniques() -> None:
    rules = load_rules(RULES)
    techniques = {rule.title: rule.techniques for rule in rules.rules.values() if rule.id in rules.alerting}
    assert {
        "Approval fatigue ending in a yes": ("T1621",),
        "Login from abroad": ("T1078",),
        "Sweep of patient records": ("T1213",),
        "Repeated break-glass access": ("T1548",),
        "Export after break-glass": ("T1020",),
    }.items() <= techniques.items()


def test_sigma_cli_finds_no_fault(tmp_path: Path) -> None:
    """Rules of our own section (habits, indicators) are ours alone: other tools leave them out."""
    ours = 0
    for path in FILES:
        documents = (RULES / path).read_text("utf-8").split("\n---\n")
        bodies = [yaml.safe_load(one) for one in documents]
        own = [bool({"baseline", "indicators"} & (body.get("veilleur") or {}).keys()) for body in bodies]
        ours += sum(own)
        habits = {body.get("name") for body, is_own in zip(bodies, own, strict=True) if is_own}
        # A correlation over a habit means nothing to who does not know the habit.
        told = [is_own or bool(habits & {*body.get("correlation", {}).get("rules", ())}) for body, is_own in zip(bodies, own, strict=True)]
        sigma = [one for one, left_out in zip(documents, told, strict=True) if not left_out]
        if sigma:
            copy = tmp_path / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("\n---\n".join(sigma), "utf-8")
    assert ours == len(load_rules(RULES).baselines) + len(load_rules(RULES).indicators)
    # Two of its validators fetch lists from the network; the techniques are checked by our own.
    command = [
        str(Path(sys.executable).parent / "sigma"),
        "check",
        "--fail-on-issues",
        "-x",
        "attacktag",
        "-x",
        "d3_fendtag",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues." in done.stdout
