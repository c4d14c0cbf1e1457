"""What is asked of a client is judged from its registration, with a reason that says what to change."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.compliance import LISTS, Subject, Verdict, judge, lists_for
from idp.model import Client, Profile
from idp.registration import read_clients
from tests.attacks.rfc9700 import NOT_APPLICABLE, SECTIONS

ISSUER = "https://idp.example/auth/realms/esante-wallet"
FAPI = Client(
    client_id="coffre",
    client_name="Coffre",
    profile=Profile.FAPI2,
    redirect_uris=("https://coffre.example/retour",),
    token_endpoint_auth_method="private_key_jwt",
)


def _verdicts(client: Client, *names: str, issuer: str = ISSUER) -> dict[tuple[str, str], Verdict]:
    return {(one.requirement.source, one.requirement.title): one.verdict for one in judge(Subject(client, issuer), names)}


def test_a_client_of_the_fapi_profile_meets_all_that_is_asked() -> None:
    assert Verdict.NOT_MET not in _verdicts(FAPI, "rfc9700", "fapi2").values()
    assert lists_for(FAPI) == ("rfc9700", "fapi2")


@pytest.mark.parametrize(
    ("names", "changes", "title"),
    [
        ("fapi2", {"token_endpoint_auth_method": "none"}, "only confidential clients"),
        ("fapi2", {"token_endpoint_auth_method": "client_secret_basic"}, "private_key_jwt or mutual TLS"),
        ("fapi2", {"profile": Profile.BASELINE}, "sender-constrained access tokens"),
        ("fapi2", {"profile": Profile.BASELINE}, "pushed authorization requests alone"),
        ("fapi2", {"redirect_uris": ("http://127.0.0.1/x",)}, "redirect URIs are https"),
        ("fapi2", {"quirks": {"code_seconds": 61}}, "a code lives at most 60 s"),
        ("fapi2", {"id_token_signed_response_alg": "RS256"}, "PS256, ES256 or EdDSA alone"),
        ("fapi2", {"quirks": {"assertion_audience": "legacy"}}, "assertions are for the issuer alone"),
        ("rfc9700", {"redirect_uris": ("http://coffre.example/x",)}, "no redirect to plain http"),
        ("rfc9700", {"profile": Profile.PSC, "token_endpoint_auth_method": "none"}, "PKCE: public clients"),
        ("psc", {"quirks": {"access_token_seconds": 3600}}, "access tokens of two minutes"),
        ("psc", {"token_endpoint_auth_method": "none"}, "client id and secret stay on a server"),
    ],
)
def test_each_shortcoming_is_found_and_its_reason_names_what_to_change(names: str, changes: dict[str, Any], title: str) -> None:
    (finding,) = [one for one in judge(Subject(replace(FAPI, **changes), ISSUER), (names,)) if one.requirement.title == title]
    assert finding.verdict is Verdict.NOT_MET
    member = next(iter(changes["quirks"])) if "quirks" in changes else next(iter(changes))
    assert member in finding.reason or member == "profile"


def test_a_recommendation_is_not_a_fault_and_what_the_service_must_show_is_not_called_met() -> None:
    client = replace(FAPI, profile=Profile.PSC, token_endpoint_auth_method="client_secret_basic", scope=frozenset({"openid"}))
    verdicts = _verdicts(client, "rfc9700", "psc")
    assert verdicts["RFC 9700 §2.1.1", "PKCE: confidential clients"] is Verdict.ADVISED
    assert verdicts["ANS, introspection", "the service introspects tokens it is shown"] is Verdict.SERVICE


def test_a_provider_without_tls_is_told_to_every_client() -> None:
    assert _verdicts(FAPI, "rfc9700", issuer="http://127.0.0.1:8800")["RFC 9700 §2.6", "end-to-end TLS"] is Verdict.NOT_MET


def test_the_list_of_rfc_9700_has_every_section_that_asks_something() -> None:
    cited = {number for one in LISTS["rfc9700"] for number in re.findall(r"§([0-9.]+)", one.source)}
    assert cited >= SECTIONS.keys() - NOT_APPLICABLE.keys()


def test_what_only_a_service_of_the_trusted_area_owes_is_asked_of_it_alone() -> None:
    title = ("ANS, FAQ des industriels", "mutual TLS in the «Espace de confiance»")
    assert title not in _verdicts(FAPI, "psc")
    trusted = replace(FAPI, exchange_subject_clients=("dossier",))
    assert _verdicts(trusted, "psc")[title] is Verdict.NOT_MET
    assert _verdicts(replace(trusted, token_endpoint_auth_method="tls_client_auth"), "psc")[title] is Verdict.MET


def test_a_service_without_people_is_asked_nothing_about_redirects() -> None:
    machine = replace(FAPI, grant_types=("client_credentials",), redirect_uris=())
    assert not [title for _, title in _verdicts(machine, *LISTS) if "redirect" in title.lower() or "PKCE" in title]


def test_every_client_of_the_demonstration_is_judged_on_every_list() -> None:
    for client in read_clients(Path(__file__).parents[2] / "deploy/demo/clients.yaml"):
        assert all(one.reason for one in judge(Subject(client, ISSUER), tuple(LISTS)))
