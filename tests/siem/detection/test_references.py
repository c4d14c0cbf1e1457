from siem.detection.correlations import Correlation, read_correlation
from siem.detection.references import MAX_LEVELS, References
from siem.detection.selections import RuleMistake


def one(*rules: str, group_by: str = "user.id") -> Correlation:
    section = {"type": "event_count", "rules": list(rules), "group-by": [group_by], "timespan": "5m", "condition": {"gte": 2}}
    return read_correlation(section)


def resolved(correlations: dict[str, Correlation]) -> tuple[dict[str, tuple[str, ...]], dict[str, RuleMistake]]:
    refused: dict[str, RuleMistake] = {}

    def lookup(name: str) -> str:
        if name not in correlations and name != "single":
            raise RuleMistake("no such rule", "correlation", "rules")
        return name

    def lacks(_rule_id: str, name: str) -> str | None:
        return None if name in ("user.id", "source.ip") else ""

    found = References(correlations, lookup, lacks, refused.__setitem__).inputs
    return found, refused


def test_children_stand_before_their_parents() -> None:
    found, refused = resolved({"top": one("middle"), "middle": one("bottom", "single"), "bottom": one("single")})
    assert list(found) == ["bottom", "middle", "top"]
    assert found["middle"] == ("bottom", "single")
    assert refused == {}


def test_what_refers_to_a_refused_correlation_is_refused_too() -> None:
    found, refused = resolved({"top": one("middle"), "middle": one("nowhere"), "other": one("single")})
    assert list(found) == ["other"]
    assert [(name, mistake.problem) for name, mistake in refused.items()] == [
        ("middle", "no such rule"),
        ("top", "«middle» was refused"),
    ]


def test_a_field_that_a_child_does_not_group_by_comes_from_the_rules_behind_it() -> None:
    found, refused = resolved({"top": one("child", group_by="source.ip"), "child": one("single")})
    assert list(found) == ["child", "top"]
    _, refused = resolved({"top": one("child", group_by="user.name"), "child": one("single")})
    assert refused["top"].path == ("correlation", "group-by")


def test_a_tower_of_correlations_is_refused_from_either_end() -> None:
    for order in (range(3000), reversed(range(3000))):
        tower = {f"c{level}": one(f"c{level - 1}" if level else "single") for level in order}
        found, refused = resolved(tower)
        assert len(found) == MAX_LEVELS
        assert len(refused) == 3000 - MAX_LEVELS
