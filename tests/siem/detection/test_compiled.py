import os
import subprocess
import sys
from pathlib import Path

import pytest

from siem.detection import compiled as compiled_module
from siem.detection.cache import Cache
from siem.detection.compiled import compiled_rules
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines

RULE = """\
title: One
id: 00000000-0000-4000-8000-000000000001
logsource: {product: veilleur}
detection:
  selection: {event.action|expand: "%wanted%"}
  condition: selection
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    (rules / "placeholders").mkdir(parents=True)
    (rules / "one.yml").write_text(RULE, "utf-8")
    (rules / "placeholders" / "lists.yml").write_text("wanted: [login.failed]\n", "utf-8")
    return rules


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often rules were compiled."""
    times: list[int] = []

    def counted(*folders: Path, **options: object) -> Ruleset:
        times.append(1)
        return load_rules(*folders, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(compiled_module, "load_rules", counted)
    return times


def test_rules_are_compiled_once_and_are_the_same_the_second_time(folder: Path, tmp_path: Path, reading: list[int]) -> None:
    first = compiled_rules(folder, cache=Cache(tmp_path / "cache"))
    second = compiled_rules(folder, cache=Cache(tmp_path / "cache"))
    assert first == second
    assert first.singles == load_rules(folder).singles
    assert len(reading) == 1


def test_a_change_of_anything_that_rules_come_of_is_seen(folder: Path, tmp_path: Path, reading: list[int]) -> None:
    cache = Cache(tmp_path / "cache")
    compiled_rules(folder, cache=cache)
    stamp = (folder / "one.yml").stat()
    (folder / "one.yml").write_text(RULE.replace("title: One", "title: Two"), "utf-8")
    os.utime(folder / "one.yml", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # content counts, not dates
    assert [rule.title for rule in compiled_rules(folder, cache=cache).rules.values()] == ["Two"]
    (folder / "placeholders" / "lists.yml").write_text("wanted: [session.ended]\n", "utf-8")
    compiled_rules(folder, cache=cache)
    compiled_rules(folder, cache=cache, placeholders={"wanted": ["x"]})
    compiled_rules(folder, cache=cache, sources=product_pipelines().fed_by({"idp"}))
    (folder / "two.yml").write_text("nothing: here\n", "utf-8")
    assert compiled_rules(folder, cache=cache).errors
    assert len(reading) == 6
    (folder / "two.yml").unlink()
    compiled_rules(folder, cache=cache)
    assert len(reading) == 6


def test_what_was_spoilt_is_compiled_anew(folder: Path, tmp_path: Path, reading: list[int]) -> None:
    cache = Cache(tmp_path / "cache")
    sound = compiled_rules(folder, cache=cache)
    (kept,) = (tmp_path / "cache").glob("rules-*")
    kept.write_bytes(b"x" * 100)
    assert compiled_rules(folder, cache=cache) == sound
    # Sealed rightly, and yet no rule set: an older format.
    cache.write(kept.name, b'[[["Gone"]],[0]]')
    assert compiled_rules(folder, cache=cache) == sound
    cache.write(kept.name, b'[[],"text"]')
    assert compiled_rules(folder, cache=cache) == sound
    assert len(reading) == 4
    compiled_rules(folder, cache=cache)
    assert len(reading) == 4


def test_the_digest_is_the_same_in_every_process(folder: Path, tmp_path: Path) -> None:
    mine = compiled_rules(folder, cache=Cache(tmp_path / "cache")).digest
    program = (
        "import sys; from pathlib import Path; from siem.detection.cache import Cache; from siem.detection.compiled import compiled_rules;"
        "print(compiled_rules(Path(sys.argv[1]), cache=Cache(Path(sys.argv[2]))).digest)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder), str(tmp_path / "cache")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mine


@pytest.mark.timeout(60)
def test_what_cannot_be_read_does_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.yml")
    (folder / "folder.yml").mkdir()
    (folder / "gone.yml").symlink_to(tmp_path / "nowhere")
    loaded = compiled_rules(folder, cache=Cache(tmp_path / "cache"))
    assert [rule.title for rule in loaded.rules.values()] == ["One"]
    assert [error.path for error in loaded.errors] == ["folder.yml", "gone.yml", "pipe.yml"]
