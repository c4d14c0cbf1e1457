"""The places of the Sigma specification 2.1.0 where engines go wrong, each with its test.

Whole ``detection`` sections, as an author writes them, against events. What one modifier does alone is in test_modifiers.py.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from siem.detection.conditions import compile_tree
from siem.detection.load import load_rules
from siem.detection.match import Matcher
from siem.detection.predicates import View
from siem.detection.selections import RuleMistake, detection_tree
from tests.architecture.test_docs import GENERATOR

#: What engines are known to get wrong, and what the text of the specification leaves to settle.
TRAPS = {
    "case",
    "backslashes",
    "null, empty, absent",
    "null in a list",
    "precedence",
    "1 of them and underscores",
    "patterns anywhere",
    "lists of conditions",
    "keywords",
    "placeholders under expand alone",
    "a placeholder that nobody fills",
    "utf16le",
    "utf16",
    "filters are added with AND",
    "rules: any",
    "not 1 of in a filter",
    "time modifiers",
    "a range of two comparisons",
    "several fields",
    "every type of correlation",
    "generate",
    "an order asked of at most so many",
    "correlations of correlations",
    "eq and neq",
    "group-by of temporal types",
    "order of all rules",
    "counts beyond the timespan",
    "windows cut at fixed boundaries",
    "late events",
    "rules that starve each other",
    "buffers that overflow in silence",
}
LISTS = {"Servers": ["srv*", "10.0.0.1"]}


def matches(detection: str, event: dict[str, object]) -> bool:
    """Whether a detection section, as YAML, matches an event."""
    tree = detection_tree(yaml.safe_load(detection), LISTS, lambda name: (name,))
    return compile_tree(tree)(View(event))


def one(line: str) -> str:
    return f"selection:\n  {line}\ncondition: selection"


class TestCase:
    """Values are compared without case, except under ``cased``; regular expressions mind it unless ``i`` says not."""

    @pytest.mark.parametrize(
        ("line", "value", "expected"),
        [
            ("f: PowerShell", "powershell", True),
            ("f|contains: SHELL", "PowerShell", True),
            ("f: ÉTÉ", "été", True),
            ("f|cased: PowerShell", "powershell", False),
            ("f|contains|cased: Shell", "PowerShell", True),
            ("f|re: Shell", "powershell", False),
            ("f|re|i: Shell", "powershell", True),
            ("f|base64: cmd", "Y21K", True),
            ("f|base64|cased: cmd", "Y21K", False),
        ],
    )
    @pytest.mark.trap("case")
    def test_values_are_compared_without_case_and_expressions_with_it(self, line: str, value: str, expected: bool) -> None:
        assert matches(one(line), {"f": value}) is expected


class TestBackslashes:
    r"""A single and a double backslash are one where no wildcard follows; before one, each number of them means something else."""

    @pytest.mark.parametrize(
        ("written", "value", "expected"),
        [
            (r"C:\Windows", r"C:\Windows", True),
            (r"C:\\Windows", r"C:\Windows", True),
            (r"C:\\Windows", r"C:\\Windows", False),
            (r"a\*b", "a*b", True),
            (r"a\*b", "axb", False),
            (r"a\\*b", r"a\xb", True),
            (r"a\\*b", "a*b", False),
            (r"a\\\*b", r"a\*b", True),
            (r"a\\\*b", r"a\xb", False),
            (r"a\\\\b", r"a\\b", True),
            (r"a\\\b", r"a\\b", True),
            (r"a\?b", "a?b", True),
            (r"a\?b", "axb", False),
            (r"a\\?b", r"a\xb", True),
            (r"a\\?b", r"a\b", False),
            (r"a\\\?b", r"a\?b", True),
            ("a?b", "ab", False),
            ("a?b", "axb", True),
            ("a*b", "ab", True),
            ("a*b", "a\nb", True),
            ("dir" + "\\", "dir" + "\\", True),
            ("dir" + "\\" * 2, "dir" + "\\", True),
        ],
    )
    @pytest.mark.trap("backslashes")
    def test_backslashes_before_wildcards_differ_by_their_number(self, written: str, value: str, expected: bool) -> None:
        detection = yaml.safe_dump({"selection": {"f": written}, "condition": "selection"})
        assert matches(detection, {"f": value}) is expected

    def test_endswith_keeps_the_backslash_before_its_wildcard(self) -> None:
        detection = yaml.safe_dump({"selection": {"f|endswith": r"\cmd.exe"}, "condition": "selection"})
        assert matches(detection, {"f": r"C:\cmd.exe"})
        assert not matches(detection, {"f": "xcmd.exe"})

    def test_startswith_keeps_the_backslash_at_its_end_plain(self) -> None:
        detection = yaml.safe_dump({"selection": {"f|startswith": "C:\\"}, "condition": "selection"})
        assert matches(detection, {"f": r"C:\x"})
        assert not matches(detection, {"f": "C:*"})


class TestNothing:
    """``null``, the empty text and an absent field are three things; ``exists`` looks at presence alone."""

    EVENTS: tuple[dict[str, object], ...] = ({"f": None}, {"f": ""}, {}, {"f": "x"})

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("f: null", [True, False, True, False]),
            ("f: ''", [False, True, False, False]),
            ("f|exists: true", [True, True, False, True]),
            ("f|exists: false", [False, False, True, False]),
            ("f: '*'", [False, True, False, True]),
            ("f|neq: ''", [True, False, True, True]),
            ("f|re: '^$'", [False, True, False, False]),
        ],
    )
    @pytest.mark.trap("null, empty, absent")
    def test_null_empty_and_absent_are_three_things(self, line: str, expected: list[bool]) -> None:
        assert [matches(one(line), event) for event in self.EVENTS] == expected

    def test_not_null_is_a_selection_of_its_own_negated(self) -> None:
        detection = "selection: {g: 1}\nempty: {f: null}\ncondition: selection and not empty"
        assert [matches(detection, {"g": 1, **event}) for event in self.EVENTS] == [False, True, False, True]

    @pytest.mark.trap("null in a list")
    def test_null_may_not_stand_in_a_list(self) -> None:
        with pytest.raises(RuleMistake, match="null may not stand in a list"):
            matches(one("f: ['', null]"), {})

    def test_negation_holds_for_an_event_without_the_field(self) -> None:
        detection = "selection: {g: 1}\nfilter: {f: x}\ncondition: selection and not filter"
        assert [matches(detection, {"g": 1, **event}) for event in self.EVENTS] == [True, True, True, False]


class TestConditions:
    """Precedence, quantities, patterns, lists of conditions."""

    SECTION = "sel_a: {a: 1}\nsel_b: {b: 1}\nother: {c: 1}\n_hidden: {d: 1}\n"

    @pytest.mark.parametrize(
        ("condition", "event", "expected"),
        [
            ("sel_a or sel_b and other", "a", True),
            ("(sel_a or sel_b) and other", "a", False),
            ("not sel_a and sel_b", "b", True),
            ("not (sel_a and sel_b)", "a", True),
            ("not 1 of sel_* and other", "c", True),
            ("not 1 of sel_* and other", "ac", False),
            ("1 of them", "d", False),
            ("all of them", "abc", True),
            ("all of them", "abcd", True),
            ("1 of *_b", "b", True),
            ("1 of *e*", "c", True),
            ("all of sel_*", "a", False),
            ("1 of _*", "d", True),
            ("[sel_a, other]", "c", True),
            ("[sel_a and sel_b, other]", "a", False),
        ],
    )
    @pytest.mark.trap("precedence", "1 of them and underscores", "patterns anywhere", "lists of conditions")
    def test_conditions_bind_and_choose_as_the_specification_says(self, condition: str, event: str, expected: bool) -> None:
        section = f"{self.SECTION}condition: {condition}"
        assert matches(section, dict.fromkeys(event, 1)) is expected


class TestKeywords:
    """Keyword lists search the whole event; ``|all`` wants all of them."""

    EVENT: dict[str, object] = {"message": "Invoke-Mimikatz ran", "host": "SRV1", "args": ["-x", "sekurlsa::logonpasswords"], "code": 4104}

    @pytest.mark.parametrize(
        ("keywords", "expected"),
        [
            ("['nothing', 'mimikatz']", True),
            ("['nothing', 'SEKURLSA']", True),
            ("[4104]", True),
            ("['message']", False),
            ("{'|all': ['mimikatz', 'srv1']}", True),
            ("{'|all': ['mimikatz', 'srv2']}", False),
            ("['invoke*ran']", True),
            ("['invoke*srv1']", False),
            ("['invoke-mimikatz ran', {host: srv9}]", True),
            ("[{host: srv1}, nothing]", True),
        ],
    )
    @pytest.mark.trap("keywords")
    def test_keywords_search_every_value(self, keywords: str, expected: bool) -> None:
        assert matches(f"keywords: {keywords}\ncondition: keywords", self.EVENT) is expected


class TestPlaceholders:
    """Placeholders act under ``expand`` alone, and a rule whose list is not known is refused."""

    @pytest.mark.trap("placeholders under expand alone")
    def test_a_placeholder_acts_only_under_expand(self) -> None:
        assert matches(one("f|expand: '%Servers%'"), {"f": "SRV12"})
        assert not matches(one("f: '%Servers%'"), {"f": "srv12"})
        assert matches(one("f: '%Servers%'"), {"f": "%servers%"})

    def test_an_escaped_percent_sign_is_plain(self) -> None:
        assert matches(one(r"f|expand: '\%plain%Servers%'"), {"f": "%plainsrv1"})

    @pytest.mark.trap("a placeholder that nobody fills")
    def test_a_rule_whose_list_is_not_known_is_refused(self) -> None:
        with pytest.raises(RuleMistake, match="%Jump%"):
            matches(one("f|expand: '%Jump%'"), {})


class TestEncodings:
    """``utf16le`` exists, ``utf16`` writes FF FE first: pySigma knows neither so."""

    @pytest.mark.trap("utf16le")
    def test_utf16le_is_read_and_is_wide(self) -> None:
        assert matches(one("f|utf16le|base64: cmd"), {"f": "YwBtAGQA"})
        assert matches(one("f|wide|base64: cmd"), {"f": "YwBtAGQA"})

    @pytest.mark.trap("utf16")
    def test_utf16_begins_with_its_byte_order_mark(self) -> None:
        assert matches(one("f|utf16|base64: cmd"), {"f": "//5jAG0AZAA="})
        assert not matches(one("f|utf16|base64: cmd"), {"f": "77u/YwBtAGQA"})


RULE: dict[str, Any] = {
    "title": "Failed",
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "failed",
    "logsource": {"product": "veilleur"},
    "detection": {"selection": {"event.action": "login.failed"}, "condition": "selection"},
}


class TestFilters:
    """A filter is taken together with the rule: ``(rule) and (filter)``. A filter that leaves something out says ``not``."""

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [("selection_a", [True, False]), ("not selection_a", [False, True]), ("not 1 of selection_*", [False, True])],
    )
    @pytest.mark.trap("filters are added with AND")
    def test_a_filter_is_anded_to_the_rule(self, condition: str, expected: list[bool], tmp_path: Path) -> None:
        added = {
            "title": "Probe",
            "logsource": {"product": "veilleur"},
            "filter": {"rules": "any", "selection_a": {"user.id|startswith": "adm_"}, "condition": condition},
        }
        (tmp_path / "rules.yml").write_text(yaml.safe_dump_all([RULE, added]), encoding="utf-8")
        loaded = load_rules(tmp_path)
        assert loaded.errors == ()
        events = [{"event.dataset": "idp.audit", "event.action": "login.failed", "user.id": user} for user in ("adm_x", "marie")]
        assert [bool(list(Matcher(loaded.singles).match(View(event)))) for event in events] == expected


def test_every_trap_has_a_test_that_names_it() -> None:
    assert {name for name, _, _ in GENERATOR._marked("trap")} == TRAPS
