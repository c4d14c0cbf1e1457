"""What an author may write, what is refused, and that the published schema says the same."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from siem.detection.baseline.document import DAY, HOUR, BaselineType, read_baseline
from siem.detection.correlations import read_correlation
from siem.detection.selections import RuleMistake
from tests.examples import examples

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = Draft202012Validator(json.loads((ROOT / "rules" / "schema" / "baseline.schema.json").read_text("utf-8")))
FIRST_SEEN = {
    "type": "first_seen",
    "rules": ["a"],
    "group-by": ["user.id"],
    "field": "source.geo.country_iso_code",
    "lookback": "90d",
    "learning": "14d",
}
OWN_MEDIAN = {
    "type": "own_median",
    "rules": "a",
    "group-by": "user.id",
    "lookback": "30d",
    "minimum": 5,
    "factor": 10,
    "floor": 100,
    "cap": 300,
}
PEER_GROUP = {
    "type": "peer_group",
    "rules": ["a", "b"],
    "group-by": ["user.id"],
    "peers": "health.professional.profession",
    "per": "hour",
    "minimum": 8,
    "factor": 3,
    "floor": 20,
    "percentile": 95,
}


def test_durations_are_read_in_microseconds() -> None:
    read = read_baseline(FIRST_SEEN)
    assert (read.type, read.lookback, read.learning, read.fresh) == (BaselineType.FIRST_SEEN, 90 * DAY, 14 * DAY, HOUR)
    assert read_baseline({**FIRST_SEEN, "fresh": "90m"}).fresh == HOUR * 3 // 2


def test_peers_are_told_apart_by_the_fields_they_share() -> None:
    read = read_baseline(PEER_GROUP)
    assert read.key_fields == ("user.id", "health.professional.profession")
    assert (read.per, read.percentile, read.references) == (HOUR, 95.0, ("a", "b"))


def test_the_limit_is_between_floor_and_cap() -> None:
    read = read_baseline(OWN_MEDIAN)
    assert [read.limit(usual) for usual in (None, 2.0, 15.0, 100.0)] == [300, 100, 150, 300]
    assert read_baseline({key: value for key, value in OWN_MEDIAN.items() if key != "cap"}).limit(None) is None


REFUSED: list[tuple[Mapping[str, object], Mapping[str, object], str, str]] = [
    (FIRST_SEEN, {"type": "rare"}, "type", "first_seen, own_median, peer_group"),
    (FIRST_SEEN, {"factor": 3}, "factor", "unknown key «factor» for first_seen"),
    (FIRST_SEEN, {"rules": []}, "rules", "a list of texts"),
    (FIRST_SEEN, {"rules": None}, "rules", "at least one rule"),
    (FIRST_SEEN, {"field": None}, "field", "the field whose values may be new"),
    (FIRST_SEEN, {"field": ["a", "a"]}, "field", "written once"),
    (FIRST_SEEN, {"field": list("abcdefghi")}, "field", "at most 8"),
    (FIRST_SEEN, {"lookback": "90"}, "lookback", "such as 30d"),
    (FIRST_SEEN, {"lookback": "5m"}, "lookback", "from 1h to 366d"),
    (FIRST_SEEN, {"learning": "91d"}, "learning", "no longer than the lookback"),
    (FIRST_SEEN, {"fresh": "2d"}, "fresh", "at most 1d"),
    (FIRST_SEEN, {"lookback": "2h", "learning": "1h", "fresh": "3h"}, "fresh", "no longer than the lookback"),
    (FIRST_SEEN, {"generate": "yes"}, "generate", "true or false"),
    (OWN_MEDIAN, {"group-by": None}, "group-by", "whose habit"),
    (OWN_MEDIAN, {"per": "week"}, "per", "hour or day"),
    (OWN_MEDIAN, {"per": "hour", "lookback": "30d"}, "lookback", "from 1 to 366 times"),
    (OWN_MEDIAN, {"lookback": "2h"}, "lookback", "from 1 to 366 times"),
    (OWN_MEDIAN, {"minimum": 0}, "minimum", "whole number"),
    (OWN_MEDIAN, {"minimum": True}, "minimum", "whole number"),
    (OWN_MEDIAN, {"factor": 0.5}, "factor", "at least 1"),
    (OWN_MEDIAN, {"floor": "100"}, "floor", "a number"),
    (OWN_MEDIAN, {"cap": 50}, "cap", "not under the floor"),
    (PEER_GROUP, {"peers": None}, "peers", "peers share"),
    (PEER_GROUP, {"percentile": 101}, "percentile", "0 to 100"),
    (PEER_GROUP, {"lookback": "3d"}, "lookback", "unknown key"),
]


@pytest.mark.parametrize(("good", "change", "key", "said"), REFUSED)
def test_a_mistake_is_named_with_its_place(good: Mapping[str, object], change: Mapping[str, object], key: str, said: str) -> None:
    read_baseline(good)
    with pytest.raises(RuleMistake, match=said) as caught:
        read_baseline({**good, **change})
    assert caught.value.path == ("veilleur", "baseline", key)


def test_a_section_is_a_map() -> None:
    with pytest.raises(RuleMistake, match="a map is expected"):
        read_baseline(["first_seen"])


texts = st.sampled_from(["user.id", "a", "", "source.ip"])
values = {
    "type": st.sampled_from(["first_seen", "own_median", "peer_group", "rare"]),
    "rules": st.one_of(texts, st.lists(texts, max_size=2), st.none()),
    "group-by": st.one_of(texts, st.lists(texts, max_size=2)),
    "field": st.one_of(texts, st.lists(texts, max_size=2), st.integers()),
    "peers": st.one_of(texts, st.lists(texts, max_size=2)),
    "per": st.sampled_from(["hour", "day", "week"]),
    "lookback": st.sampled_from(["30d", "4w", "366d", "0d", "d", "30", 30]),
    "learning": st.sampled_from(["2h", "1d", "1w", "x"]),
    "fresh": st.sampled_from(["5m", "1h", "1d", "1s"]),
    "minimum": st.sampled_from([0, 1, 5, 1.5, True]),
    "factor": st.sampled_from([0.5, 1, 10, "10", True]),
    "floor": st.sampled_from([0, 1, 100]),
    "cap": st.sampled_from([100, 300, None]),
    "percentile": st.sampled_from([0, 50, 100, 101]),
    "generate": st.sampled_from([True, False, 1]),
    "surprise": st.just(1),
}


@settings(max_examples=examples(60))
@given(
    st.sampled_from([FIRST_SEEN, OWN_MEDIAN, PEER_GROUP]),
    st.dictionaries(st.sampled_from(sorted(values)), st.none(), max_size=3),
    st.data(),
)
def test_the_schema_refuses_no_more_than_the_reader(good: Mapping[str, object], changed: Mapping[str, None], data: st.DataObject) -> None:
    """What the schema cannot say (one value against another) the reader refuses alone; whatever the schema refuses, it refuses too."""
    section = {**good, **{key: data.draw(values[key], label=key) for key in changed}}
    accepted = True
    try:
        read_baseline(section)
    except RuleMistake as mistake:
        accepted = False
        compares = ("no longer than", "not under the floor", "times «per»", "from 1h to 366d", "at most 1d")
        if any(one in mistake.problem for one in compares):
            return
    assert SCHEMA.is_valid(section) is accepted


def test_the_examples_of_the_page_are_valid() -> None:
    page = (ROOT / "docs" / "baselines.md").read_text("utf-8")
    documents = [yaml.safe_load(block.split("```", 1)[0]) for block in page.split("```yaml\n")[1:]]
    over = [document for document in documents if "correlation" in document]
    documents = [document for document in documents if document not in over]
    assert len(documents) >= 3 and [read_correlation(one["correlation"]).references for one in over]
    for document in documents:
        section = document["veilleur"]["baseline"]
        read_baseline(section)
        SCHEMA.validate(section)
