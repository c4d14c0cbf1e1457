"""What another project writes to test its service against the provider, run by a pytest of its own."""

import pytest

pytest_plugins = ["pytester"]

PROJECT = """
import httpx
import pytest


@pytest.fixture(scope="session")
def veilleur_options():
    return ("--redirect-uri", "http://127.0.0.1:9876/retour", "--client-id", "rendez-vous")


def test_the_provider_is_there_and_knows_my_service(veilleur_provider):
    assert veilleur_provider.client_id == "rendez-vous"
    metadata = httpx.get(f"{veilleur_provider.issuer}/.well-known/openid-configuration", trust_env=False).json()
    assert metadata["issuer"] == veilleur_provider.issuer
"""


def test_a_project_gets_a_provider_by_naming_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROJECT)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
