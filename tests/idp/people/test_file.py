from pathlib import Path

import pytest

from idp.model import AccountState
from idp.people.file import SAMPLES, PeopleFileError, read_people


def _read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(text, "utf-8")
    read_people(path)


def test_the_demonstration_has_every_kind_of_person() -> None:
    people = read_people(SAMPLES)
    exercices = [len(person.directory["SubjectRefPro"]["exercices"]) for person in people]  # type: ignore[index]
    assert len(people) == len({person.national_id for person in people}) == 20
    assert {0, 1, 2} <= set(exercices)
    assert {(person.national_id or "")[0] for person in people} == {"8", "0", "A", "5"}
    assert [person.family_name for person in people if person.state is AccountState.SUSPENDED] == ["LENOIR"]


def test_reading_twice_gives_the_same_accounts() -> None:
    assert read_people(SAMPLES) == read_people(SAMPLES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("people: [", "people.yaml: cannot be read"),
        ("[]", "people.yaml"),
        ("people: [{given_name: A, family_name: B}]", "people, entry 1, national_id: Field required"),
        ("people: [{national_id: '899700000006', given_name: A, family_name: B}]", "people, entry 1, national_id: .*key"),
        ("people: [{national_id: 899700000005, given_name: A, family_name: B}]", "entry 1, national_id: .*string"),
        ("people: [{national_id: '899700000005', given_name: A, family_name: B, age: 3}]", "entry 1, age: Extra"),
        (
            "people: [{national_id: '899700000005', given_name: A, family_name: B, exercices: [{codeProfesion: '10'}]}]",
            "'codeProfesion' is not",
        ),
        ("people: [{national_id: '899700000005', given_name: A, family_name: B, exercices: [{codeProfession: 10}]}]", "write it in quotes"),
        (
            "people: [{national_id: '899700000005', given_name: A, family_name: B, exercices: [{activities: [{codePoste: '35'}]}]}]",
            "exercices, entry 1, activities, entry 1: .*'codePoste' is not",
        ),
        ("people: [{national_id: '899700000005', given_name: A, family_name: B, overrides: {sub: x}}]", "overrides: .*'sub' is not"),
        ("people: [{national_id: '899700000005', given_name: A, family_name: B, state: lost}]", "entry 1, state"),
    ],
)
def test_a_fault_is_named_by_file_entry_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PeopleFileError, match=words):
        _read(tmp_path, text)


def test_the_same_person_twice_is_a_fault(tmp_path: Path) -> None:
    person = "{national_id: '899700000005', given_name: A, family_name: B}"
    with pytest.raises(PeopleFileError, match="entry 2, national_id: 899700000005 is there twice"):
        _read(tmp_path, f"people: [{person}, {person}]")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PeopleFileError, match="absent.yaml"):
        read_people(tmp_path / "absent.yaml")
