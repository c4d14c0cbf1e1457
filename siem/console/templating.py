"""The templates: escaped by default, strict about unknown names, with our few filters."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from siem.detection.credit import Credit

_FOLDER: Final = Path(__file__).parent / "templates"


def environment(folder: Path = _FOLDER) -> Environment:
    """The environment every page is rendered with."""
    made = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    made.filters["targets"] = targets
    made.filters["search_value"] = search_value
    made.filters["bylines"] = bylines
    made.filters["urlpart"] = lambda value: quote(str(value), safe="")
    return made


def targets(errors: Mapping[str, str]) -> list[tuple[str, str]]:
    """Errors by field as (link to the field, sentence) for the summary."""
    return [(f"#{name}", sentence) for name, sentence in errors.items()]


def bylines(rules: Iterable[Credit]) -> list[tuple[str, str]]:
    """Authors and licences of rules, each pair once."""
    return list(dict.fromkeys((one.author, one.licence) for one in rules))


def search_value(value: object) -> str:
    """A value as the search line takes it: in quotes, so that nothing in it means anything."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
