"""The command that runs a provider to develop against."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from idp.cli import app
from idp.testing import running


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--profile", "keycloak"], "--client-id dev: profile"),
        (["--redirect-uri", "http://elsewhere.example/"], "must use https"),
        (["--clients", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--accounts", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_a_wrong_option_is_told_in_one_line_before_anything_starts(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["dev", *options])
    assert result.exit_code == 2
    assert said in result.output


def test_clients_and_people_of_ones_own_take_the_place_of_the_invented_ones(tmp_path: Path) -> None:
    clients, people = tmp_path / "clients.yaml", tmp_path / "people.yaml"
    clients.write_text("clients: [{client_id: agenda, client_name: Agenda, redirect_uris: ['https://agenda.example/retour']}]\n", "utf-8")
    people.write_text('people: [{national_id: "899700000005", given_name: Ada, family_name: Test, exercices: []}]\n', "utf-8")
    with running("--clients", str(clients), "--accounts", str(people)) as provider:
        assert [client["client_id"] for client in provider.clients] == ["agenda"]
        assert [person["name"] for person in provider.people] == ["Ada Test"]
