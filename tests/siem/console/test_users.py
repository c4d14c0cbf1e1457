from pathlib import Path

import pytest

from siem.access import Principal, Role
from siem.console import users
from siem.errors import DataError
from tests.siem.console.world import ANALYST, DIRECTOR, LEAD, PEOPLE, World, users_file


def test_a_file_is_the_whole_truth(world: World, tmp_path: Path) -> None:
    renamed = Principal(ANALYST.subject, "Claire Durand-Essai", ANALYST.roles)
    applied = users.apply(world.database, users_file(tmp_path, [renamed, DIRECTOR]))
    assert applied == users.Applied(added=0, changed=1, removed=len(PEOPLE) - 2, unchanged=1)
    with world.database.reading() as connection:
        assert users.find(connection, ANALYST.subject) == renamed
        assert users.find(connection, LEAD.subject) is None
        assert [person.name for person in users.everyone(connection, "default")] == [DIRECTOR.name, renamed.name]


def test_who_is_removed_is_out_at_once(world: World, tmp_path: Path) -> None:
    browser = world.client(LEAD)
    assert browser.get("/alertes").status_code == 200
    users.apply(world.database, users_file(tmp_path, [ANALYST]))
    assert browser.get("/alertes").headers["location"].startswith("/connexion")


def test_a_changed_role_counts_from_the_next_request(world: World, tmp_path: Path) -> None:
    browser = world.client(ANALYST)
    demoted = Principal(ANALYST.subject, ANALYST.name, frozenset({Role.ARS}))
    users.apply(world.database, users_file(tmp_path, [demoted]))
    assert browser.get("/alertes").status_code == 403


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("{}", "", "list of people"),
        ("- 3", "[1]", "expected national_id"),
        ("- {name: A, roles: [analyste]}", "[1].national_id", "text in quotes"),
        ("- {national_id: 899700000011, name: A, roles: [analyste]}", "[1].national_id", "text in quotes"),
        ("- {national_id: '8', name: A, roles: [chef]}", "[1].roles", "unknown role 'chef'"),
        ("- {national_id: '8', name: A}", "[1].roles", "at least one role"),
        ("- {national_id: '8', name: A, roles: [analyste], finess: [350000]}", "[1].finess", "numbers in quotes"),
        ("- {national_id: '8', name: A, roles: [analyste], role: x}", "[1].role", "unknown key"),
        ("- {national_id: '8', name: A, roles: [analyste]}\n- {national_id: '8', name: B, roles: [ars]}", "[2].national_id", "twice"),
        ("- {national_id: '8'\n  name", "", "not YAML"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(world: World, tmp_path: Path, text: str, field: str, problem: str) -> None:
    file = tmp_path / "mistake.yaml"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        users.apply(world.database, file)
    assert (error.value.path, error.value.field) == (str(file), field) and problem in error.value.problem
    with world.database.reading() as connection:
        assert len(users.everyone(connection, "default")) == len(PEOPLE)
