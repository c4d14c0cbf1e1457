from pathlib import Path

import pytest

from siem.detection.documents import Document
from siem.detection.folders import RuleFolder
from siem.detection.heading import heading, own_section, placeholders_of, text_at
from siem.detection.selections import RuleMistake

FOLDER = RuleFolder(Path("rules"))


def document(**body: object) -> Document:
    return Document(FOLDER, "a.yml", "title: a", 0, {"title": "Sweep", **body})


def test_what_is_not_said_has_a_default() -> None:
    rule = heading(document(), "id", "user.id", correlation=False)
    assert (rule.level, rule.status, rule.subject, rule.repeat_seconds) == ("medium", "experimental", "user.id", 3600)
    assert (rule.title_fr, rule.summary_fr, rule.summary_en) == ("Sweep", "Sweep", "")


def test_our_section_says_more() -> None:
    ours = {"titre": "Balayage", "resume": "{user.id} : {count}", "summary": "Many.", "subject": "source.ip", "repeat": "2d"}
    rule = heading(document(veilleur=ours, tags=["attack.t1213", "attack.t1213", "attack.collection"]), "id", "user.id", correlation=True)
    assert (rule.title_fr, rule.summary_fr, rule.summary_en) == ("Balayage", "{user.id} : {count}", "Many.")
    assert (rule.subject, rule.repeat_seconds, rule.techniques) == ("source.ip", 172_800, ("T1213",))
    assert list(placeholders_of(rule.summary_fr)) == ["user.id", "count"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"title": ""}, ("title",)),
        ({"title": 3}, ("title",)),
        ({"level": "grave"}, ("level",)),
        ({"status": "new"}, ("status",)),
        ({"veilleur": ["titre"]}, ("veilleur",)),
        ({"veilleur": {"tittre": "x"}}, ("veilleur", "tittre")),
        ({"veilleur": {"titre": 3}}, ("veilleur", "titre")),
        ({"veilleur": {"repeat": "2 days"}}, ("veilleur", "repeat")),
    ],
)
def test_a_mistake_has_its_place(body: dict[str, object], path: tuple[str, ...]) -> None:
    with pytest.raises(RuleMistake) as caught:
        heading(document(**body), "id", "user.id", correlation=False)
    assert caught.value.path == path


def test_a_baseline_stands_in_our_section() -> None:
    assert own_section({"veilleur": {"baseline": {"type": "first_seen"}}}, "baseline") == {"type": "first_seen"}
    assert own_section({"veilleur": {"titre": "x"}}, "baseline") is None
    assert own_section({"veilleur": "x"}, "indicators") is None


def test_a_text_is_stripped() -> None:
    assert text_at({"a": " b "}, "a") == "b"
    assert text_at({}, "a") == ""
