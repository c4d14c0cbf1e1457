"""Every parser that reads the outside, in one place: what the suite tries (:mod:`.test_parsers`) and what ``make fuzz`` does for longer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.fuzz import files_read, provider_cards, provider_requests, provider_tokens, watch_records
from tests.fuzz.target import Target

#: Inputs that once made a parser fail, by target: they are tried again every time, and changed further.
_FOUND: Final = Path(__file__).parent / "found"


def _with_found(target: Target) -> Target:
    found = sorted((_FOUND / target.name).glob("*"))
    return replace(target, seeds=(*target.seeds, *(path.read_bytes() for path in found)))


TARGETS: Final[Mapping[str, Target]] = {
    target.name: _with_found(target)
    for target in (
        *provider_requests.TARGETS,
        *provider_cards.TARGETS,
        *provider_tokens.TARGETS,
        *watch_records.TARGETS,
        *files_read.TARGETS,
    )
}
