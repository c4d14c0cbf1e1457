"""Fields of events that the event table has no column for: those of Windows, of ECS beyond ours, of whatever an operator adds.

They stand in two maps of the table: ``other`` from name to text, ``other_lists`` from name to a list of texts. Numbers and booleans are
kept as the text under which rules compare them. Which names came from which source is kept too, so that a search can say which exist;
and those of fields that have a column and came as a list (:mod:`.event_table`), so that it looks there as well.

A map is a third smaller than JSON and is searched three to five times faster; loading it from two texts that DuckDB splits costs half
of loading it as JSON (76 and 147 µs an event of thirty fields).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import duckdb

from siem.event import FIELDS, Event, Fields, Kind, Value, text_of

COLUMNS: Final[Mapping[str, str]] = {"other": "MAP(VARCHAR, VARCHAR)", "other_lists": "MAP(VARCHAR, VARCHAR[])"}
#: Between names, and between values, of one event on their way into the table; one that holds it takes the slower way.
_BETWEEN: Final = "\x1f"
_AS_TEXT: Final = {"other_names": "VARCHAR", "other_values": "VARCHAR"}
_AS_LIST: Final = {"other_names": "VARCHAR[]", "other_values": "VARCHAR[]"}
_PIECES: Final = ", ".join(f"string_split({column}, chr({ord(_BETWEEN)}))" for column in _AS_TEXT)
_SPLIT: Final = f"CASE WHEN other_names IS NOT NULL THEN map({_PIECES}) END"
_LISTED: Final = "CASE WHEN other_names IS NOT NULL THEN map(other_names, other_values) END"
#: Names remembered of one source; one that makes them up without end only loses their being suggested.
_MAX_NAMES: Final = 10_000


class Load:
    """The other fields of some events as columns to load: ``types`` and ``rows`` by column, ``targets`` from column of the table to SQL."""

    def __init__(self, all_fields: Sequence[Fields]) -> None:
        self.types: dict[str, str] = {}
        self.rows: dict[str, list[object]] = {}
        self.targets: dict[str, str] = {}
        texts: list[dict[str, str]] = []
        lists: list[dict[str, list[str]]] = []
        for fields in all_fields:
            text, listed = {}, {}
            for name, value in fields.items():
                if name not in FIELDS:
                    if type(value) is str:
                        text[name] = value
                    elif isinstance(value, list):
                        listed[name] = [text_of(item) for item in value]
                    else:
                        text[name] = text_of(value)
            texts.append(text)
            lists.append(listed)
        if any(texts):
            self._add_texts(texts)
        if any(lists):
            self.types["other_lists"] = COLUMNS["other_lists"]
            self.rows["other_lists"] = [listed or None for listed in lists]
            self.targets["other_lists"] = "other_lists"

    def _add_texts(self, texts: Sequence[Mapping[str, str]]) -> None:
        names: list[object] = [_BETWEEN.join(text) if text else None for text in texts]
        values: list[object] = [_BETWEEN.join(text.values()) if text else None for text in texts]
        # One separator less than there are fields, in both: else a name or a value holds one.
        split = all(
            str(name).count(_BETWEEN) == str(value).count(_BETWEEN) == len(text) - 1
            for name, value, text in zip(names, values, texts, strict=True)
            if text
        )
        if not split:
            names, values = [list(text) or None for text in texts], [list(text.values()) or None for text in texts]
        self.types |= _AS_TEXT if split else _AS_LIST
        self.rows |= {"other_names": names, "other_values": values}
        self.targets["other"] = _SPLIT if split else _LISTED


def restored(other: Mapping[str, str] | None, lists: Mapping[str, Sequence[str]] | None) -> dict[str, Value]:
    """The fields behind both maps of a row."""
    return {**(other or {}), **{name: list(values) for name, values in (lists or {}).items()}}


class SeenNames:
    """Which other fields came from which source, in the table ``event_fields``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, create: bool = True) -> None:
        if create:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS event_fields (tenant VARCHAR NOT NULL, source VARCHAR NOT NULL, name VARCHAR NOT NULL)"
            )
        self._seen: dict[tuple[str, str], set[str]] = {}
        for tenant, source, name in connection.execute("SELECT tenant, source, name FROM event_fields").fetchall():
            self._seen.setdefault((tenant, source), set()).add(name)

    def add(self, cursor: duckdb.DuckDBPyConnection, events: Iterable[Event]) -> dict[tuple[str, str], set[str]]:
        """Write the names not seen before, in the caller's transaction; to be handed to :meth:`committed` once it is on the disk."""
        found: dict[tuple[str, str], set[str]] = {}
        several: dict[tuple[str, str], set[str]] = {}
        for event in events:
            found.setdefault((event.tenant, event.source), set()).update(event.fields.keys())
            if list in map(type, event.fields.values()):
                lists = {name for name, value in event.fields.items() if type(value) is list}
                several.setdefault((event.tenant, event.source), set()).update(lists)
        fresh: dict[tuple[str, str], set[str]] = {}
        for key, names in found.items():
            known = self._seen.get(key, set())
            room = _MAX_NAMES - len(known)
            of_table = {name for name in several.get(key, ()) if FIELDS.get(name, Kind.KEYWORDS) is not Kind.KEYWORDS}
            if new := [*sorted(of_table - known), *sorted(names - FIELDS.keys() - known)[: max(room, 0)]]:
                fresh[key] = set(new)
        if fresh:
            rows = [(tenant, source, name) for (tenant, source), names in fresh.items() for name in sorted(names)]
            cursor.executemany("INSERT INTO event_fields VALUES (?, ?, ?)", rows)
        return fresh

    def committed(self, fresh: Mapping[tuple[str, str], set[str]]) -> None:
        """These names are on the disk."""
        for key, names in fresh.items():
            self._seen[key] = self._seen.get(key, set()) | names

    def of(self, tenant: str) -> dict[str, frozenset[str]]:
        """For each source of a tenant, the names that came from it."""
        return {source: frozenset(names) for (of_tenant, source), names in list(self._seen.items()) if of_tenant == tenant}
