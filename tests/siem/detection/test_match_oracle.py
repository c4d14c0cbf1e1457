"""Single rules against another implementation: SigmaHQ's rules as SQL by pySigma, run by SQLite on the same real events."""

import re
import sqlite3

import orjson
import pytest

from siem.detection.match import Matcher
from siem.detection.predicates import View, text_of
from tests.examples import thinned
from tests.siem.sigmahq import real_data, windows_lines, windows_rules

backend = pytest.importorskip("sigma.backends.sqlite", reason="the package pysigma-backend-sqlite is not installed")


def cell(value: object) -> str | None:
    return None if value is None or isinstance(value, list) else text_of(value)


@real_data
def test_real_rules_find_what_sqlite_finds() -> None:
    """Every rule that finds something, and every third of the others, which must find nothing."""
    from sigma.collection import SigmaCollection
    from sigma.exceptions import SigmaFeatureNotSupportedByBackendError

    loaded = windows_rules()
    matcher = Matcher(loaded.singles)
    documents = [orjson.loads(line) for line in windows_lines()[::40]]
    # Column names have no case in SQL; values are compared without case, as Sigma wants, only in columns made so.
    names = {name.lower(): name for document in documents for name in document}
    names |= {name.lower(): name for one in loaded.singles for variant in one.variants for name in variant.fields}
    events = [{names[name.lower()]: value for name, value in document.items()} for document in documents]
    database = sqlite3.connect(":memory:")
    database.create_function("regexp", 2, lambda pattern, text: text is not None and re.search(pattern, str(text)) is not None)
    columns = list(names.values())
    database.execute("CREATE TABLE logs (place, " + ", ".join(f'"{name}" TEXT COLLATE NOCASE' for name in columns) + ")")
    marks = ", ".join("?" * (len(columns) + 1))
    database.executemany(
        f"INSERT INTO logs VALUES ({marks})", ([place, *(cell(one.get(name)) for name in columns)] for place, one in enumerate(events))
    )
    ours: dict[str, set[int]] = {}
    for place, fields in enumerate(events):
        for found in matcher.match(View(fields)):
            ours.setdefault(found.rule.rule.id, set()).add(place)
    compared = 0
    quiet = [one for one in loaded.singles if one.rule.id not in ours]
    for one in (*(one for one in loaded.singles if one.rule.id in ours), *thinned(quiet, 3)):
        try:
            query = backend.sqliteBackend().convert(SigmaCollection.from_yaml(one.rule.source_text))[0]
        except SigmaFeatureNotSupportedByBackendError:  # keyword searches
            continue
        theirs = {row[0] for row in database.execute(query.replace("SELECT *", "SELECT place", 1))}
        # The rule's log source is not in the query.
        reads = {place for place in theirs if one in matcher.readers(events[place])}
        assert reads == ours.get(one.rule.id, set()), one.rule.path
        compared += 1
    assert compared > len(thinned(loaded.singles, 3)) - 10
