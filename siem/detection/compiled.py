"""Rules ready to run, from the cache where nothing has changed since: the way of a start.

A rule set is kept under a digest of everything it comes of: each file of the folders, log sources, placeholders, the code that
compiles and the machines under it. Any change of any of them is another digest, so nothing kept is ever out of date.
"""

import hashlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final

from siem import errors, event, yaml_text
from siem.detection.cache import Cache
from siem.detection.documents import Document
from siem.detection.encoding import decoded, encoded
from siem.detection.folders import RuleFolder, named
from siem.detection.load import Ruleset, load_rules
from siem.detection.logsource import LogSource
from siem.detection.modifiers import Placeholders
from siem.detection.pipelines import product_pipelines
from siem.garbage import uncollected
from siem.yaml_text import MAX_BYTES

_log = logging.getLogger(__name__)

#: Libraries that decide what compiles, and to what.
_LIBRARIES: Final = ("hyperscan", "orjson", "pyyaml")


def compiled_rules(
    *folders: Path | RuleFolder,
    cache: Cache,
    sources: Sequence[LogSource] | None = None,
    placeholders: Placeholders | None = None,
    instead: Sequence[Document] = (),
) -> Ruleset:
    """As :func:`siem.detection.load.load_rules`, and kept for the next time, unless documents are only tried ``instead`` of others."""
    if instead:
        return load_rules(*folders, sources=sources, placeholders=placeholders, instead=instead)
    known = product_pipelines().sources if sources is None else tuple(sources)
    with uncollected():
        return _compiled_rules(folders, cache, known, placeholders)


def _compiled_rules(
    folders: Sequence[Path | RuleFolder], cache: Cache, known: Sequence[LogSource], placeholders: Placeholders | None
) -> Ruleset:
    digest = _digest(folders, known, placeholders or {})
    name = f"rules-{digest[:40]}"
    kept = cache.read(name)
    if kept is not None:
        try:
            ruleset = decoded(kept)
            if isinstance(ruleset, Ruleset) and ruleset.digest == digest:
                return ruleset
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            _log.warning("the rules kept cannot be read (%r); they are compiled anew", error)
    ruleset = replace(load_rules(*folders, sources=known, placeholders=placeholders), digest=digest)
    # A file that changed while the rules were read: what was read is used, but not kept under what the files were before.
    if _digest(folders, known, placeholders or {}) == digest:
        try:
            cache.write(name, encoded(ruleset))
        except TypeError as error:
            _log.warning("the rules are not kept: %s", error)
        cache.prune()
    return ruleset


def _digest(folders: Sequence[Path | RuleFolder], sources: Sequence[LogSource], placeholders: Placeholders) -> str:
    digest = hashlib.sha256(_code())
    digest.update(encoded(tuple(sources)))
    digest.update(encoded({name: tuple(values) for name, values in sorted(placeholders.items())}))
    for folder in named(folders):
        _add(digest, folder.name, folder.licence, folder.path.name)
        for path in sorted(folder.path.rglob("*.y*ml")):
            _add(digest, folder.file_name(path), *_content(path))
    return digest.hexdigest()


def _content(path: Path) -> tuple[bytes, ...]:
    """What loading would read of a file; nothing of what is no file (a pipe would be waited for) or cannot be read, which loading names."""
    try:
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            return (file.read(MAX_BYTES + 1),)
    except OSError:
        return ()


def _add(digest: "hashlib._Hash", *parts: str | bytes) -> None:
    """Each part with its length, so that no two rows of parts look the same."""
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)


@lru_cache(maxsize=1)
def _code() -> bytes:
    """A digest of what compiles rules: our own modules, the interpreter, the libraries."""
    digest = hashlib.sha256()
    for file in (*sorted(Path(__file__).parent.rglob("*.py")), Path(event.__file__), Path(errors.__file__), Path(yaml_text.__file__)):
        _add(digest, file.name, file.read_bytes())
    _add(digest, sys.version)
    for library in _LIBRARIES:
        try:
            _add(digest, library, metadata.version(library))
        except metadata.PackageNotFoundError:  # no build for this processor: rules are compiled without it
            _add(digest, library, "absent")
    return digest.digest()
