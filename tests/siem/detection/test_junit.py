from pathlib import Path

import junitparser
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.credit import Credit
from siem.detection.junit import junit
from siem.detection.prove import ProofResult, Proven
from siem.detection.prove import test as prove
from siem.errors import DataError

ROOT = Path(__file__).resolve().parents[3]


def result(kind: str, *problems: DataError, path: str = "web/nginx_scan.yml", seconds: float = 0.5) -> ProofResult:
    return ProofResult(Credit("id-of-the-rule", "Scan", "A. Nobody", "MIT"), path, kind, 3, 3, 3 - len(problems), seconds, problems)


def read(proven: Proven) -> list[junitparser.TestSuite]:
    document = junitparser.JUnitXml.fromstring(junit(proven).decode())
    assert isinstance(document, junitparser.JUnitXml)
    return [suite for suite in document if isinstance(suite, junitparser.TestSuite)]


def test_a_parser_of_others_reads_the_proofs_of_our_own_rules() -> None:
    suites = read(prove(ROOT / "rules", proofs=ROOT / "tests" / "rules"))
    assert len(suites) > 20
    assert {suite.tests for suite in suites} == {2} and {suite.failures + suite.errors for suite in suites} == {0}
    assert {case.name for suite in suites for case in suite} == {"matches", "near misses"}


def test_what_does_not_hold_is_a_failure_and_what_does_not_load_an_error() -> None:
    wrong = DataError("ignore.jsonl", 2, "", "the rule matches")
    unloadable = DataError("web/broken.yml", 7, "detection.condition", "«x» is not a selection")
    suites = read(Proven((result("match"), result("ignore", wrong)), (unloadable,)))
    assert [(suite.name, suite.tests, suite.failures, suite.errors, suite.time) for suite in suites] == [
        ("web/nginx_scan.yml", 2, 1, 0, 1.0),
        ("rules that do not load", 1, 0, 1, 0.0),
    ]
    (failure,) = [said for case in suites[0] for said in case.result]
    (error,) = [said for case in suites[1] for said in case.result]
    assert isinstance(failure, junitparser.Failure) and (failure.message, failure.text) == ("the rule matches", str(wrong))
    assert isinstance(error, junitparser.Error) and error.text == str(unloadable)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_a_rule_says_the_document_can_be_read(said: str) -> None:
    problem = DataError(said, 1, said, said)
    suites = read(Proven((result("match", problem, path=said), result("ignore", path=said)), (problem,)))
    assert [suite.tests for suite in suites] == [2, 1]
