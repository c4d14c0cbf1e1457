import sys
from pathlib import Path

import pytest

from bench.rivals import rivals

LINES = [b'{"n":%d}' % number for number in range(6_000)]
#: Stands for an engine: works for each event it is given, and saves the rules that it was told to convert.
ENGINE = """
import sys
words = sys.argv[1:]
if "--save-ruleset" in words:
    open("converted.json", "w").write("[]")
events = words[words.index("--events") + 1] if "--events" in words else words[words.index("-e") + 1].removeprefix("@")
for line in open(events):
    sum(range(2000))
"""


def test_an_engine_that_is_not_named_is_said_to_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VEILLEUR_ZIRCOLITE", raising=False)
    monkeypatch.delenv("VEILLEUR_RSIGMA", raising=False)
    assert [one.value for one in rivals(tmp_path / "there", tmp_path, LINES)] == [None, None]


def test_a_rate_is_of_what_the_second_run_reads_on_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "engine.py"
    engine.write_text(ENGINE, "utf-8")
    for name in ("VEILLEUR_ZIRCOLITE", "VEILLEUR_RSIGMA"):
        monkeypatch.setenv(name, f"'{sys.executable}' -I '{engine}'")
    found = rivals(tmp_path / "there", tmp_path, LINES)
    assert all(one.value is not None and one.value > 0 for one in found), found


def test_an_engine_that_fails_says_why_instead_of_a_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEILLEUR_ZIRCOLITE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("VEILLEUR_RSIGMA", "false")
    assert [(one.value, one.name[:14]) for one in rivals(tmp_path / "there", tmp_path, LINES)] == [
        (None, "no Zircolite: "),
        (None, "no rsigma: Com"),
    ]
