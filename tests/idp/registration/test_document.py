"""Clients written down read back as the same clients, whatever they say."""

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.model import Client, Profile
from idp.profiles import SWITCHES
from idp.registration import RegistrationError, parse_client, read_clients
from idp.registration.document import document_of, text_of
from idp.registration.entry import Entry
from tests.examples import examples
from tests.idp.relying_party import public_jwks

_URIS = st.lists(st.sampled_from(["https://a.example/x", "https://a.example/y?z=1", "http://127.0.0.1:8080/"]), unique=True, max_size=3)
_NUMBERS = {switch.name: st.integers(1, 5000) for switch in SWITCHES if type(switch.baseline) is int}
ENTRIES = st.fixed_dictionaries(
    {"client_id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), "client_name": st.text(min_size=1, max_size=20)},
    optional={
        "profile": st.sampled_from([Profile.PSC, Profile.BASELINE]),
        "redirect_uris": _URIS,
        "post_logout_redirect_uris": _URIS,
        "grant_types": st.lists(st.sampled_from(["authorization_code", "refresh_token", "client_credentials"]), unique=True),
        "scope": st.frozensets(st.sampled_from(["openid", "profile", "scope_all", "true", "1e3"]), min_size=1).map(lambda words: [*words]),
        "token_endpoint_auth_method": st.sampled_from(["client_secret_basic", "client_secret_post", "none"]),
        "resources": st.lists(st.sampled_from(["https://api.example/", "urn:api"]), unique=True),
        "id_token_signed_response_alg": st.sampled_from([None, "RS256", "PS256", "ES256"]),
        "subject_type": st.sampled_from(["public", "pairwise"]),
        "sector_identifier": st.sampled_from([None, "a.example"]),
        "structure_name": st.none() | st.text(max_size=20),
        "structure_finess": st.sampled_from([None, "0B0000005"]),
        "quirks": st.fixed_dictionaries({}, optional=_NUMBERS),
        "disabled": st.booleans(),
    },
)


def _clients(entries: list[dict[str, object]]) -> list[Client]:
    made: dict[str, Client] = {}
    for entry in entries:
        try:
            client = parse_client(entry, "entry")
        except RegistrationError:
            continue
        made[client.client_id] = client
    return list(made.values())


@settings(max_examples=examples(60))
@given(entries=st.lists(ENTRIES, max_size=4))
def test_what_is_written_reads_back_as_the_same_clients(entries: list[dict[str, object]]) -> None:
    clients = _clients(entries)
    text = text_of(clients)
    read = [parse_client(entry, "entry") for entry in yaml.safe_load(text)["clients"]]
    assert read == sorted(clients, key=lambda client: client.client_id)
    assert text_of(read) == text


def test_the_demonstrations_clients_come_back_with_nothing_more_than_was_said(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "deploy/demo/clients.yaml"
    clients = read_clients(source)
    (tmp_path / "clients.yaml").write_text(text_of(clients), "utf-8")
    assert {client.client_id: client for client in read_clients(tmp_path / "clients.yaml")} == {
        client.client_id: client for client in clients
    }
    said = {entry["client_id"]: entry.keys() for entry in yaml.safe_load(source.read_text("utf-8"))["clients"]}
    assert all(document_of(client).keys() <= said[client.client_id] for client in clients)


def test_a_client_of_the_strict_profile_is_written_down_too() -> None:
    entry = {
        "client_id": "strict",
        "client_name": "Strict",
        "profile": "fapi2",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": public_jwks(),
        "redirect_uris": ["https://a.example/x"],
    }
    written = document_of(parse_client(entry, "clients.yaml"))
    assert written == entry
    assert parse_client(written, "export") == parse_client(entry, "clients.yaml")


def test_every_member_of_a_registration_is_one_of_a_client() -> None:
    ours = {"client_secret_hash", "registration_token_hash", "registration_bounds", "registered_at"}
    assert Entry.model_fields.keys() == Client.__dataclass_fields__.keys() - ours
