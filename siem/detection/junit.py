"""Proofs of rules as JUnit XML, for whatever runs them: one suite a rule, one case for its matches and one for its near misses.

Source: the JUnit format as Jenkins and GitLab read it (testsuites, testsuite, testcase, failure, error).
"""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from siem.detection.prove import ProofResult, Proven
from siem.errors import DataError

_NAMES: Final = {"match": "matches", "ignore": "near misses"}
#: Characters that XML 1.0 has no way to write.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(proven: Proven) -> bytes:
    """The document, in UTF-8. A rule that does not load is an error, a line that does not do what it must a failure."""
    root = Xml.Element("testsuites", name="rules")
    by_rule: dict[str, list[ProofResult]] = {}
    for result in proven.results:
        by_rule.setdefault(result.credit.rule_id, []).append(result)
    for results in by_rule.values():
        suite = _suite(root, results[0].path, [result.seconds for result in results], failures=sum(not r.passed for r in results))
        properties = Xml.SubElement(suite, "properties")
        credit = results[0].credit
        said = (credit.rule_id, credit.title, credit.author, credit.licence)
        for name, value in zip(("rule.id", "rule.title", "rule.author", "rule.licence"), said, strict=True):
            Xml.SubElement(properties, "property", name=name, value=_clean(value))
        for result in results:
            case = _case(suite, _NAMES[result.kind], result.path, result.seconds)
            if not result.passed:
                _say(case, "failure", result.problems)
    if proven.errors:
        suite = _suite(root, "rules that do not load", [0.0] * len(proven.errors), errors=len(proven.errors))
        for error in proven.errors:
            _say(_case(suite, error.field or "file", error.path, 0.0), "error", [error])
    Xml.indent(root)
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _suite(root: Xml.Element, name: str, seconds: Sequence[float], *, failures: int = 0, errors: int = 0) -> Xml.Element:
    counts = {"tests": str(len(seconds)), "failures": str(failures), "errors": str(errors), "skipped": "0"}
    return Xml.SubElement(root, "testsuite", {"name": _clean(name), **counts, "time": f"{sum(seconds):.3f}"})


def _case(suite: Xml.Element, name: str, path: str, seconds: float) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", name=_clean(name), classname=_clean(path.removesuffix(".yml")), time=f"{seconds:.3f}")


def _say(case: Xml.Element, kind: str, problems: Sequence[DataError]) -> None:
    said = Xml.SubElement(case, kind, message=_clean(problems[0].problem), type="DataError")
    said.text = "\n".join(_clean(str(problem)) for problem in problems)


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
