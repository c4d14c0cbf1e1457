"""Rule sets of others are pinned, checked, swapped at once, and refused when they are not what they seem."""

import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.detection import rule_sets
from siem.detection.folders import RULE_SETS, watch_folders
from siem.detection.load import load_rules
from siem.detection.rule_sets import installed, pull, remove, roll_back
from siem.errors import DataError, OperationError

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RULE = """\
title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
author: Somebody Else
logsource: {{product: {product}}}
detection:
  selection:
    event.action: x
  condition: selection
"""
LICENCE = "Detection Rule License (DRL) 1.1\n\nPermission is hereby granted …\n"


def content(title: str = "One") -> dict[str, bytes]:
    return {
        "set/LICENSE": LICENCE.encode(),
        "set/rules/one.yml": RULE.format(title=title, number=1, product="veilleur").encode(),
        "set/rules/deep/two.yml": RULE.format(title="Two", number=2, product="of_nobody").encode(),
        "set/tool.py": b"raise SystemExit",
    }


def folder(where: Path, files: dict[str, bytes]) -> str:
    for path, data in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    return str(where)


def tarball(where: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> str:
    where.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(where, "w:gz") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in more:
            archive.addfile(info)
    return str(where)


def zipped(where: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(where, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return str(where)


MAKERS: dict[str, Callable[[Path], str]] = {
    "folder": lambda at: folder(at / "f", content()),
    "tar": lambda at: tarball(at / "a.tar.gz", content()),
    "zip": lambda at: zipped(at / "a.zip", content()),
}


@pytest.mark.parametrize("made", MAKERS.values(), ids=list(MAKERS))
def test_a_set_is_loaded_beside_our_rules_with_its_licence_and_what_was_refused_is_said(
    tmp_path: Path, made: Callable[[Path], str]
) -> None:
    state, ours = tmp_path / "state", tmp_path / "ours"
    ours.mkdir()
    found = pull(state, made(tmp_path), "others", at=AT)
    assert (found.current.rule_count, found.current.licence, found.current.pulled_at) == (1, "DRL-1.1", AT.isoformat())
    (refused,) = found.current.refused
    assert (refused.path, refused.problem) == ("others/set/rules/deep/two.yml", "no source gives product of_nobody")
    assert installed(state) == [found]
    loaded = load_rules(*watch_folders(ours, state))
    assert loaded.errors == ()
    (rule,) = loaded.rules.values()
    assert (rule.path, rule.rule_set, rule.author, rule.licence) == ("others/set/rules/one.yml", "others", "Somebody Else", "DRL-1.1")
    kept = {path.name for path in (state / RULE_SETS / "others").rglob("*") if path.is_file()}
    assert kept == {"manifest.json", "LICENSE", "one.yml", "two.yml"}


def test_a_new_version_replaces_the_old_one_which_can_come_back_and_the_set_can_go(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = pull(state, folder(tmp_path / "f", content()), "others", at=AT).current
    second = pull(state, folder(tmp_path / "f", content("Other")), "others", at=AT).current
    assert first.revision != second.revision
    assert installed(state)[0].versions == (second, first)
    assert roll_back(state, "others").current == first
    assert roll_back(state, "others").current == second
    for title in ("C", "D", "E"):
        pull(state, folder(tmp_path / "f", content(title)), "others", at=AT)
    assert len(installed(state)[0].versions) == 3
    assert len([path for path in (state / RULE_SETS / "others").iterdir() if path.is_dir()]) == 3
    remove(state, "others")
    assert installed(state) == []
    with pytest.raises(DataError, match="no rule set of that name"):
        roll_back(state, "others")


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (lambda at: tarball(at / "a.tar", {**content(), "../../evil.yml": b"x"}), "leaves the folder"),
        (lambda at: tarball(at / "a.tar", {**content(), "/etc/evil.yml": b"x"}), "leaves the folder"),
        (lambda at: zipped(at / "a.zip", {**content(), "..\\evil.yml": b"x", "../evil.yml": b"x"}), "leaves the folder"),
        (lambda at: tarball(at / "a.tar", content(), link("set/a.yml", tarfile.SYMTYPE)), "is a link or a device"),
        (lambda at: tarball(at / "a.tar", content(), link("set/a.yml", tarfile.LNKTYPE)), "is a link or a device"),
        (lambda at: tarball(at / "a.tar", content(), link("set/a.yml", tarfile.CHRTYPE)), "is a link or a device"),
        (lambda at: zipped(at / "a.zip", {**content(), "bomb.yml": b"\0" * 50_000_000}), "larger than"),
        (lambda at: tarball(at / "a.tar", {**content(), **{f"bomb{n}.bin": b"\0" * 900_000 for n in range(300)}}), "this is no rule set"),
        (lambda at: tarball(at / "a.tar", {"LICENSE": LICENCE.encode(), "a.yml": b"title: x"}), "no rule in it that the watch can honour"),
        (lambda at: tarball(at / "a.tar", {"a.yml": content()["set/rules/one.yml"]}), "say which it is"),
        (lambda at: str(at / "gone.tar.gz"), "cannot be read"),
        (lambda at: folder(at, {"x.tar.gz": b"not an archive"}) + "/x.tar.gz", "neither a tar archive nor a zip"),
    ],
    ids=["dots", "absolute", "slip", "symlink", "hard link", "device", "zip bomb", "tar bomb", "no rule", "no licence", "gone", "none"],
)  # fmt: skip
def test_a_dangerous_or_useless_archive_is_refused_and_changes_nothing(tmp_path: Path, made: Callable[[Path], str], problem: str) -> None:
    state = tmp_path / "state"
    before = pull(state, folder(tmp_path / "good", content()), "others", at=AT)
    with pytest.raises(DataError, match=problem):
        pull(state, made(tmp_path), "others", at=AT)
    assert installed(state) == [before]
    assert {path.name for path in tmp_path.rglob("evil.yml")} == set()
    assert not list((state / RULE_SETS / "others").glob(".incoming-*"))


def test_an_archive_that_is_not_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    source = tarball(tmp_path / "a.tar.gz", content())
    with pytest.raises(DataError, match="not what was asked for"):
        pull(tmp_path / "state", source, "others", at=AT, revision="0" * 64)


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    source = folder(tmp_path / "f", content())
    (tmp_path / "f" / "passwd.yml").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        pull(tmp_path / "state", source, "others", at=AT)


def git(folder: Path, *command: str) -> str:
    options = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(folder), *options, *command], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_commit_of_git_is_pulled_whole_and_nothing_of_the_repository_runs(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    folder(repository, content())
    git(repository, "init", "--quiet")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "-m", "first")
    commit = git(repository, "rev-parse", "HEAD")
    found = pull(tmp_path / "state", f"file://{repository}", "others", at=AT, revision=commit)
    assert (found.current.revision, found.current.rule_count) == (commit, 1)
    with pytest.raises(DataError, match="a branch or a tag may move"):
        pull(tmp_path / "state", f"file://{repository}", "others", at=AT, revision="main")
    with pytest.raises(OperationError, match="git fetch"):
        pull(tmp_path / "state", f"file://{repository}", "others", at=AT, revision="0" * 40)
    with pytest.raises(DataError, match="without spaces and credentials"):
        pull(tmp_path / "state", "https://me:secret@example.org/x.git", "others", at=AT, revision=commit)


@pytest.mark.parametrize("address", ["ext::sh -c true", "git://example.org/x", "--upload-pack=true"])
def test_other_ways_of_git_are_not_taken(tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        pull(tmp_path / "state", address, "others", at=AT, revision="0" * 40)


def test_a_broken_manifest_is_named_and_the_watch_does_not_start_without_its_rules(tmp_path: Path) -> None:
    state = tmp_path / "state"
    pull(state, folder(tmp_path / "f", content()), "others", at=AT)
    (state / RULE_SETS / "others" / "manifest.json").write_text("{}", "utf-8")
    for act in (lambda: installed(state), lambda: watch_folders(tmp_path, state)):
        with pytest.raises(DataError, match="not the manifest of a rule set"):
            act()


def test_names_of_sets_stay_in_their_folder(tmp_path: Path) -> None:
    for name in ("../x", "A", "", "a/b"):
        with pytest.raises(DataError):
            pull(tmp_path / "state", folder(tmp_path / "f", content()), name, at=AT)
    assert rule_sets.installed(tmp_path / "state") == []
