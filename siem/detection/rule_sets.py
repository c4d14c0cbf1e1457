"""Rule sets of others, pinned: pulled from a folder, an archive or git, checked, and kept in versions one can go back to.

In the state of the watch, ``rule-sets/NAME`` holds ``manifest.json`` and a folder for each version kept. The manifest names the
current one, so that a swap is one rename; a version holds the rules as they were written, with their authors, and the licence.
"""

import hashlib
import io
import json
import lzma
import os
import re
import secrets
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from siem.detection.folders import RULE_SETS, RuleFolder
from siem.detection.load import load_rules
from siem.detection.logsource import LogSource
from siem.errors import DataError, OperationError
from siem.yaml_text import MAX_BYTES

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_REVISION: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"(https|ssh|file)://[^\s]+")
_LICENCE_FILE: Final = re.compile(r"(?i)(?:licen[cs]e|copying|notice)(?:[.-][a-z0-9.-]+)?")
#: What a licence's text says, and its name.
_LICENCES: Final = (("Detection Rule License", "DRL-1.1"), ("Apache License", "Apache-2.0"), ("MIT License", "MIT"))
#: How the readers of archives say that they cannot go on.
_BROKEN: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError, OverflowError),
)
_MAX_FILES: Final = 50_000
_MAX_MEMBERS: Final = 200_000
_MAX_TOTAL: Final = 200_000_000
#: Versions kept, the current one among them.
_KEPT: Final = 3
_GIT_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule that the watch cannot honour, and why."""

    path: str
    line: int
    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a set. ``revision`` is git's, or the SHA-256 of the archive or of the folder's files."""

    source: str
    revision: str
    licence: str
    pulled_at: str
    rule_count: int
    correlation_count: int
    refused: tuple[Refused, ...] = ()
    #: Files that hold nothing but refused rules: they are kept and not loaded.
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A set: its versions, the current one first."""

    name: str
    versions: tuple[Version, ...] = field(default=())

    @property
    def current(self) -> Version:
        """The version that a watch loads."""
        return self.versions[0]


Files = dict[str, bytes]


def pull(
    state: Path, source: str, name: str, *, at: datetime, revision: str = "", licence: str = "", sources: Sequence[LogSource] | None = None
) -> RuleSet:
    """Bring a version of a set, check it and make it the current one; nothing changes when it is refused.

    Raises DataError saying what is wrong with the source, OperationError when it cannot be had.
    """
    if not _NAME.fullmatch(name):
        raise DataError(name, 0, "name", "small letters, digits and hyphens are expected, 41 at most")
    files, found_revision = _gather(source, revision)
    if revision and revision != found_revision:
        raise DataError(source, 0, "revision", f"this is {found_revision}, not {revision}: it is not what was asked for")
    licence = licence or _licence_of(source, files)
    folder = state / RULE_SETS / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    incoming = folder / f".incoming-{secrets.token_hex(4)}"
    try:
        for path, data in files.items():
            target = incoming / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        version = _checked(incoming, name, source, found_revision, licence, at, sources)
        target = folder / found_revision
        if not target.exists():
            incoming.rename(target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    known = _read(folder).versions if (folder / "manifest.json").exists() else ()
    kept = (version, *(one for one in known if one.revision != found_revision))[:_KEPT]
    return _write(folder, RuleSet(name, kept))


def installed(state: Path) -> list[RuleSet]:
    """The sets of a watch, by name. Raises DataError for a manifest that cannot be read."""
    return [_read(path.parent) for path in sorted((state / RULE_SETS).glob("*/manifest.json"))]


def roll_back(state: Path, name: str) -> RuleSet:
    """Make the version before the current one the current one. Raises DataError where there is none."""
    folder = _folder(state, name)
    current, *before = _read(folder).versions
    if not before:
        raise DataError(name, 0, "", f"there is no version before {current.revision[:12]}")
    return _write(folder, RuleSet(name, (*before, current)))


def remove(state: Path, name: str) -> None:
    """Take a set away with all its versions. Raises DataError where there is none of that name."""
    folder = _folder(state, name)
    (folder / "manifest.json").unlink()  # first: without it nothing of the folder is loaded
    shutil.rmtree(folder)


def _folder(state: Path, name: str) -> Path:
    folder = state / RULE_SETS / name
    if not _NAME.fullmatch(name) or not (folder / "manifest.json").is_file():
        raise DataError(name, 0, "", "no rule set of that name")
    return folder


def _read(folder: Path) -> RuleSet:
    try:
        document = json.loads((folder / "manifest.json").read_text("utf-8"))
        versions = tuple(
            Version(
                **{
                    **one,
                    "refused": tuple(Refused(**refused) for refused in one["refused"]),
                    "left_out": tuple(one["left_out"]),
                }
            )
            for one in document["versions"]
        )
        return RuleSet(document["name"], versions)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(str(folder / "manifest.json"), 0, "", f"not the manifest of a rule set; pull it again: {error}") from error


def _write(folder: Path, rule_set: RuleSet) -> RuleSet:
    part = folder / "manifest.json.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(asdict(rule_set), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / "manifest.json")
    kept = {version.revision for version in rule_set.versions}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
    return rule_set


def _checked(
    folder: Path, name: str, source: str, revision: str, licence: str, at: datetime, sources: Sequence[LogSource] | None
) -> Version:
    loaded = load_rules(RuleFolder(folder, name, licence), sources=sources)
    if not loaded.rules:
        first = f"; the first of {len(loaded.errors)} problems: {loaded.errors[0]}" if loaded.errors else ""
        raise DataError(source, 0, "", f"there is no rule in it that the watch can honour{first}")
    used = {rule.path for rule in loaded.rules.values()}
    return Version(
        source=source,
        revision=revision,
        licence=licence,
        pulled_at=at.isoformat(),
        rule_count=len(loaded.singles),
        correlation_count=len(loaded.correlations),
        refused=tuple(Refused(error.path, error.line, error.field, error.problem) for error in loaded.errors),
        left_out=tuple(sorted({error.path for error in loaded.errors} - used)),
    )


def _licence_of(source: str, files: Files) -> str:
    for path, data in files.items():
        if _LICENCE_FILE.fullmatch(PurePosixPath(path).name):
            text = data.decode("utf-8", "replace")
            for words, licence in _LICENCES:
                if words.lower() in text.lower():
                    return licence
    raise DataError(source, 0, "licence", "no known licence is in it: say which it is (--licence), matches are shown with it")


# ------------------------------------------------------------------------------------------------ where it comes from
def _gather(source: str, revision: str) -> tuple[Files, str]:
    """The rules and the licence of a source, by path, and its revision."""
    path = Path(source)
    if _ADDRESS.match(source):
        return _of_git(source, revision)
    try:
        if path.is_dir():
            files = _collect(source, _in_folder(path))
            digest = hashlib.sha256()
            for name, data in sorted(files.items()):
                digest.update(f"{name}\0{len(data)}\0".encode() + data)
            return files, digest.hexdigest()
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            source, 0, "", f"cannot be read: {error.strerror}; a folder, a tar.gz, a zip or an https address is expected"
        ) from error
    return _collect(source, _in_archive(source, data)), hashlib.sha256(data).hexdigest()


def _in_folder(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise DataError(str(path), 0, "", "is a link; a rule set holds files alone")
        if path.is_file() and ".git" not in path.relative_to(folder).parts:
            yield path.relative_to(folder).as_posix(), path.stat().st_size, path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""


def _in_archive(source: str, data: bytes) -> Iterator[tuple[str, int, bytes]]:
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            yield from _in_zip(source, data)
        else:
            yield from _in_tar(source, data)
    except _BROKEN as error:
        raise DataError(source, 0, "", f"neither a tar archive nor a zip that can be read: {error}") from error


def _in_tar(source: str, data: bytes) -> Iterator[tuple[str, int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|*") as archive:
        for member in archive:
            if member.isdir() or member.type in (tarfile.XGLTYPE, tarfile.XHDTYPE):
                continue
            if not member.isfile():
                raise DataError(source, 0, member.name, "is a link or a device; a rule set holds files alone")
            if member.size > MAX_BYTES:
                yield member.name, member.size, b""
                continue
            file = archive.extractfile(member)
            yield member.name, member.size, file.read() if file else b""


def _in_zip(source: str, data: bytes) -> Iterator[tuple[str, int, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if (member.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                raise DataError(source, 0, member.filename, "is a link or a device; a rule set holds files alone")
            with archive.open(member) as file:  # what the archive says of a size is not believed
                content = file.read(MAX_BYTES + 1)
            yield member.filename, len(content), content


def _collect(source: str, entries: Iterator[tuple[str, int, bytes]]) -> Files:
    """The files to keep, rules and licences. Raises DataError for a path that leaves the folder, and for what is too much."""
    files: Files = {}
    total = 0
    for number, (name, size, data) in enumerate(entries, 1):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
            raise DataError(source, 0, name[:100], "is a path that leaves the folder, or that not every system takes")
        total += size
        if number > _MAX_MEMBERS or len(files) > _MAX_FILES or total > _MAX_TOTAL:
            raise DataError(source, 0, "", f"more than {_MAX_FILES} files or {_MAX_TOTAL // 1_000_000} MB unpacked; this is no rule set")
        if path.suffix not in (".yml", ".yaml") and not _LICENCE_FILE.fullmatch(path.name):
            continue
        if size > MAX_BYTES:
            raise DataError(source, 0, name[:100], f"the file is larger than {MAX_BYTES} bytes")
        kept = path.with_suffix(".yml") if path.suffix == ".yaml" else path
        if str(kept) in files:
            raise DataError(source, 0, name[:100], "the same path twice")
        files[str(kept)] = data
    return files


def _of_git(address: str, revision: str) -> tuple[Files, str]:
    """The files of one commit, without a work tree: nothing of the repository runs, and no submodule is followed."""
    if not _REVISION.fullmatch(revision):
        raise DataError(address, 0, "revision", "a git address needs the whole hexadecimal name of a commit: a branch or a tag may move")
    if not _ADDRESS.fullmatch(address) or "@" in address.partition("://")[2].partition("/")[0].replace("git@", ""):
        raise DataError(address, 0, "", "an address without spaces and credentials is expected")
    with tempfile.TemporaryDirectory() as folder:
        _git(folder, "init", "--quiet", "--bare", "--template=")
        _git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", address, revision)
        found = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
        data = _git(folder, "archive", "--format=tar", revision)
    return _collect(address, _in_archive(address, data)), found


def _git(folder: str, *command: str) -> bytes:
    safe = {
        "protocol.allow": "never",
        **{f"protocol.{name}.allow": "always" for name in ("https", "ssh", "file")},
        "core.hooksPath": os.devnull,
        "core.fsmonitor": "false",
        "credential.helper": "",
        "http.followRedirects": "false",
        "transfer.fsckObjects": "true",
    }
    options = [part for key, value in safe.items() for part in ("-c", f"{key}={value}")]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", "-C", folder, *options, *command],
            env=environment,
            capture_output=True,
            check=False,
            timeout=_GIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise OperationError("pulling rules", "git is not installed; install it, or pull an archive", retry_helps=False) from error
    except subprocess.TimeoutExpired as error:
        raise OperationError("pulling rules", f"git took longer than {_GIT_SECONDS} s", retry_helps=True) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OperationError("pulling rules", f"git {command[0]}: {said[-1][:300] if said else done.returncode}", retry_helps=True)
    return done.stdout
