"""Events made to hurt, through the engine: bounded time and memory, and the rules go on judging the others.

Rules of every kind of comparison look at the field that hurts; a correlation groups by it and counts it.
"""

import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest
import yaml

from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.logsource import LogSource
from siem.event import Event

AT = datetime(2026, 11, 22, 20, tzinfo=UTC)
MEGABYTES = 10_000_000
LINES: Mapping[str, object] = {
    "f|contains": "needle",
    "f|contains|all": ["nee", "dle"],
    "f": "*a*b*c*needle*",
    "f|re": "(n|N)ee+d.*le$",
    "f|re|i": "^x*y",
    "f|cidr": ["192.0.2.0/24", "2001:db8::/32"],
    "f|gt": 10,
    "f|fieldref|contains": "g",
    "f|hour": 3,
    "f|base64offset|contains": "needle",
    "f|windash|contains": " -needle",
    "f|cased": "needle",
    "f|exists": True,
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    documents: list[object] = [
        {
            "title": f"R{place}",
            "name": f"r{place}",
            "id": f"00000000-0000-4000-8000-{place:012}",
            "logsource": {"product": "p"},
            "detection": {"selection": {line: value}, "condition": "selection"},
        }
        for place, (line, value) in enumerate(LINES.items())
    ]
    documents.append(
        {
            "title": "Keyword",
            "id": "00000000-0000-4000-8000-0000000000aa",
            "logsource": {"product": "p"},
            "detection": {"keywords": ["needle", "nothing"], "condition": "keywords"},
        }
    )
    for place, condition in enumerate(({"field": "f", "gte": 2}, {"field": "g", "gte": 2})):
        section = {
            "type": "value_count",
            "rules": ["r12"],
            "group-by": ["g", "f"][place : place + 1],
            "timespan": "1h",
            "condition": condition,
        }
        documents.append(
            {"title": f"C{place}", "id": f"00000000-0000-4000-8000-0000000000c{place}", "correlation": {**section, "generate": True}}
        )
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    loaded = load_rules(folder, sources=(LogSource("p", "", "", {}),))
    assert loaded.errors == ()
    return loaded


def nested(depth: int) -> object:
    value: object = "needle"
    for _ in range(depth):
        value = {"a": value}
    return value


BAD: Mapping[str, Callable[[], dict[str, object]]] = {
    "ten megabytes": lambda: {"f": "x" * MEGABYTES, "g": "y"},
    "ten megabytes that almost match": lambda: {"f": "nee" * (MEGABYTES // 3), "g": "dle"},
    "ten megabytes of what an expression repeats": lambda: {"f": "abc" * (MEGABYTES // 3), "g": "x" * MEGABYTES},
    "a list of a hundred thousand": lambda: {"f": [f"v{number}" for number in range(100_000)], "g": "x"},
    "two long lists to group by": lambda: {"f": [f"v{number}" for number in range(1000)], "g": [f"w{number}" for number in range(1000)]},
    "a hundred thousand fields": lambda: {f"f{number}": number for number in range(100_000)} | {"f": "x"},
    "a thousand levels": lambda: {"f": nested(400), "g": nested(5)},
    "NaN and infinities": lambda: {"f": float("nan"), "g": float("inf")},
    "half a surrogate": lambda: {"f": "\ud800needle", "g": "\udfff"},
    "zeros": lambda: {"f": "\x00needle\x00", "g": "\x00"},
    "an instant that is none": lambda: {"f": "9999-99-99T99:99:99", "g": "x"},
    "null and empty": lambda: {"f": None, "g": ""},
    "bytes and other things": lambda: {"f": b"needle", "g": object()},
    "letters that grow in lower case": lambda: {"f": "İ" * 100_000, "g": "ẞ"},
}


@pytest.mark.parametrize("kind", BAD)
def test_an_event_made_to_hurt_costs_little_and_spares_the_others(kind: str, rules: Ruleset) -> None:
    fields = BAD[kind]()
    engine = Engine(rules, lateness=timedelta(0))
    tracemalloc.start()
    begun = process_time()
    engine.evaluate([Event("bad", AT, "s", "default", fields)])  # type: ignore[arg-type]
    seconds, (_, peak) = process_time() - begun, tracemalloc.get_traced_memory()
    state = engine.export_state()
    tracemalloc.stop()
    good = Event("good", AT + timedelta(seconds=1), "s", "default", {"f": "a needle", "g": "x"})
    titles = sorted(rules.rules[one.rule_id].title for one in engine.evaluate([good]) if "good" in one.event_ids)
    assert [title for title in titles if title in ("Keyword", "R0", "R1", "R12", "R3")] == ["Keyword", "R0", "R1", "R12", "R3"]
    assert seconds < 30
    assert peak < 30 * MEGABYTES
    # However long the values, what is kept of an event between batches is small.
    assert sum(map(len, state.values())) < 1_000_000


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(x{1,30}){1,30}y", "x" * 200),
        ("(x{1,9}){1,9}y", "x" * 5000),
        ("(a|a)*b", "a" * 5000),
        ("(.*a){20}", "a" * 3000),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000),
        ("(x+x+)+y", "x" * MEGABYTES),
        ("(a?){30}a{30}", "a" * 29),
    ],
)
def test_a_bomb_of_a_regular_expression_is_refused_or_goes_off_in_little_time(
    expression: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = {"title": "Bomb", "logsource": {"product": "p"}, "detection": {"selection": {"f|re": expression}, "condition": "selection"}}
    folder = tmp_path_factory.mktemp("bomb")
    (folder / "bomb.yml").write_text(yaml.safe_dump(body), encoding="utf-8")
    loaded = load_rules(folder, sources=(LogSource("p", "", "", {}),))
    engine = Engine(loaded)
    begun = process_time()
    engine.evaluate([Event("bad", AT, "s", "default", {"f": text})])
    assert process_time() - begun < 10
    assert loaded.rules or "costly" in loaded.errors[0].problem
