from pathlib import Path
from typing import Any

import pytest
import yaml

from idp.client_auth import METHODS
from idp.grants import GRANTS
from idp.model import CLIENT_AUTH_METHODS, GRANT_TYPES, Profile
from idp.profiles import SIGNING_MEMBERS
from idp.registration import RegistrationError, hash_client_secret, make_secret, parse_client, read_clients
from tests.idp.relying_party import public_jwks

DEMO = Path(__file__).parents[3] / "deploy/demo/clients.yaml"
CIBA, EXCHANGE = "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:token-exchange"
PING = {"backchannel_token_delivery_mode": "ping"}
PUSH = {"backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://service.example/push"}
GOOD: dict[str, Any] = {"client_id": "c", "client_name": "C", "redirect_uris": ["https://service.example/retour"]}
FAPI2: dict[str, Any] = {"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "jwks": public_jwks()}


def test_the_demonstration_s_clients_are_sound() -> None:
    clients = {client.client_id: client for client in read_clients(DEMO)}
    assert clients["dossier-patient"].profile is Profile.PSC
    assert clients["dossier-patient"].id_token_signed_response_alg == "RS256"
    assert clients["messagerie"].id_token_signed_response_alg == "ES256"
    assert clients["veilleur-siem"].scope == {"sessions:read", "sessions:revoke", "accounts:suspend"}
    assert all(client.client_secret_hash is None for client in clients.values())


@pytest.mark.spec("RFC7591-2", "RFC9700-2.1")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redirect_uris": ["http://service.example/retour"]}, "https"),
        ({"redirect_uris": ["https://service.example/*"]}, "wildcard"),
        ({"redirect_uris": ["https://service.example/retour#x"]}, "fragment"),
        ({"redirect_uris": ["https://user@service.example/retour"]}, "user information"),
        ({"redirect_uris": ["http://localhost:80@evil.example/"]}, "user information"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "must use https|absolute"),
        ({"redirect_uris": ["data:text/html,x"]}, "must use https"),
        ({"redirect_uris": ["/retour"]}, "absolute"),
        ({"redirect_uris": ["https://service.example\\@evil.example/"]}, "absolute"),
        ({"redirect_uris": []}, "at least one"),
        ({"post_logout_redirect_uris": ["http://evil.example/"]}, "post_logout_redirect_uris"),
        ({"backchannel_logout_uri": "http://service.example/fin"}, "backchannel_logout_uri"),
        ({"backchannel_logout_uri": "https://service.example/fin#x"}, "fragment"),
        ({"backchannel_logout_session_required": True}, "needs backchannel_logout_uri"),
        ({"frontchannel_logout_uri": "https://other.example/fin"}, "frontchannel_logout_uri: scheme, host and port"),
        ({"frontchannel_logout_uri": "https://service.example:8443/fin"}, "frontchannel_logout_uri: scheme, host and port"),
        ({"frontchannel_logout_session_required": True}, "needs frontchannel_logout_uri"),
        ({"scope": "identity"}, "must contain openid"),
        ({"grant_types": ["password"]}, "grant_types: 'password'"),
        ({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"}, "public client"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({**FAPI2, "redirect_uris": ["http://127.0.0.1:8080/retour"]}, "redirect_uris"),
        *(({**FAPI2, member: "RS256"}, member) for member in SIGNING_MEMBERS),
        ({"profile": "fapi2"}, "private_key_jwt"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "RSA", "d": "x"}]}}, "private key"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "x"}]}}, "RSA or EC"),
        ({"quirks": {"pkce_required": False}}, "cannot be switched off"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": "s"}, "client_secret"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"authorization_signed_response_alg": "none"}, "authorization_signed_response_alg"),
        ({"grant_types": [CIBA], "token_endpoint_auth_method": "none"}, "public client"),
        ({"grant_types": [CIBA], "scope": "identity"}, "must contain openid"),
        ({"grant_types": [CIBA], "backchannel_token_delivery_mode": "ping"}, "backchannel_client_notification_endpoint"),
        ({"grant_types": [CIBA], "backchannel_client_notification_endpoint": "https://s.example/"}, "ping"),
        ({"grant_types": [CIBA], "backchannel_token_delivery_mode": "push"}, "backchannel_client_notification_endpoint"),
        ({"grant_types": [CIBA], **PUSH, "dpop_bound_access_tokens": True}, "backchannel_token_delivery_mode: push is not"),
        ({**FAPI2, "grant_types": [CIBA], **PUSH}, "backchannel_token_delivery_mode: push is not"),
        ({"grant_types": [CIBA], "backchannel_authentication_request_signing_alg": "ES256"}, "needs jwks"),
        ({**FAPI2, "grant_types": [CIBA], "backchannel_authentication_request_signing_alg": "RS256"}, "forbids RS256"),
        ({"grant_types": [CIBA], **PING, "backchannel_client_notification_endpoint": "http://10.0.0.1/"}, "must use https"),
        ({"grant_types": [EXCHANGE], "token_endpoint_auth_method": "none"}, "public client"),
        ({"grant_types": [EXCHANGE], "resources": ["https://api.example/"]}, "exchange_subject_clients"),
        ({"grant_types": [EXCHANGE], "exchange_subject_clients": ["psc"]}, "resources: at least one"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "exactly one of"),
        ({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "no name"}, "tls_client_auth_subject_dn"),
        ({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "192.0.2"}, "tls_client_auth_san_ip"),
        ({"tls_client_auth_san_dns": "client.example"}, "none with another method"),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth"}, "keys with their certificate"),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": public_jwks()}, "keys with their certificate"),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [{"kty": "EC", "x5c": ["AAAA"]}]}}, "x5c"),
        ({"introspection_signed_response_alg": "none"}, "introspection_signed_response_alg"),
        ({"quirks": {"certificate_confirmation": "hex"}}, "certificate_confirmation must be one of rfc8705, ans"),
        ({"sector_identifier": "https://service.example/"}, "sector_identifier"),
        (
            {"subject_type": "pairwise", "redirect_uris": ["https://a.example/r", "https://b.example/r"]},
            "sector_identifier: is needed",
        ),
        ({"profile": "psc", "subject_type": "pairwise"}, "subject_type: pairwise needs quirks.keycloak_subject: false"),
        ({"quirks": {"keycloak_subject": True}, "subject_type": "pairwise"}, "subject_type: pairwise needs"),
        ({"resources": ["/api"]}, "resources"),
        ({"resources": ["https://"]}, "resources"),
        ({"resources": [""]}, "resources"),
        ({"resources": ["https://api.example/#part"]}, "resources"),
        ({"resources": ["https://api.example/ https://evil.example/"]}, "resources"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"request_object_signing_alg": "ES256"}, "request_object_signing_alg: needs jwks"),
        ({"require_signed_request_object": True}, "require_signed_request_object: needs jwks"),
        ({**FAPI2, "request_object_signing_alg": "RS256"}, "forbids RS256"),
        ({**FAPI2, "quirks": {"par_required": False}}, "par_required cannot be switched off"),
    ],
)
def test_a_client_that_would_be_unsafe_is_refused_by_member(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        parse_client({**GOOD, **change}, "clients.yaml: client 1")


@pytest.mark.spec("RFC9126-6", "RFC9101-10.5", "JARM-3")
def test_a_client_says_how_its_requests_and_answers_travel() -> None:
    members = {
        "jwks": public_jwks(),
        "resources": ("urn:example:dossier", "https://api.example/path?a=1"),
        "require_pushed_authorization_requests": True,
        "require_signed_request_object": True,
        "request_object_signing_alg": "PS256",
        "authorization_signed_response_alg": "RS256",
    }
    client = parse_client({**GOOD, **members}, "x")
    assert {name: getattr(client, name) for name in members} == members
    assert client.token_endpoint_auth_method == "client_secret_basic"


@pytest.mark.spec("RFC8252-7.1", "RFC8252-7.3")
def test_an_app_may_use_its_own_scheme_and_a_loopback_address() -> None:
    uris = ["fr.example.app:/retour", "http://127.0.0.1:8801/retour", "http://[::1]:8801/retour"]
    client = parse_client({**GOOD, "token_endpoint_auth_method": "none", "redirect_uris": uris}, "x")
    assert client.redirect_uris == tuple(uris)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[", "cannot be read"),
        ("clients: 3", "must be a mapping"),
        (yaml.safe_dump({"clients": [GOOD, GOOD]}), "client 2: client_id 'c' is there twice"),
        (yaml.safe_dump({"clients": [GOOD, {**GOOD, "client_id": "d", "colour": 1}]}), "client 2: colour"),
    ],
)
def test_a_file_with_a_fault_is_named_with_its_place(tmp_path: Path, document: str, message: str) -> None:
    (tmp_path / "clients.yaml").write_text(document)
    with pytest.raises(RegistrationError, match=rf"clients\.yaml.*{message}"):
        read_clients(tmp_path / "clients.yaml")


def test_a_secret_is_kept_as_its_hash_alone() -> None:
    secret, kept = make_secret()
    assert len(secret) >= 43
    assert kept == hash_client_secret(secret)
    assert secret not in kept


def test_what_may_be_registered_is_what_exists() -> None:
    assert set(GRANT_TYPES) == GRANTS.keys()
    assert set(CLIENT_AUTH_METHODS) == {method.METHOD for method in METHODS}


@pytest.mark.parametrize("name", ["Agenda\u0085", "Agenda\n", "\u202eadnegA", "Age\u200bnda", "\x00"])
@pytest.mark.parametrize("member", ["client_name", "structure_name"])
def test_a_name_that_cannot_be_shown_as_it_is_is_refused(name: str, member: str) -> None:
    entry = {"client_id": "agenda", "client_name": "Agenda", "redirect_uris": ["https://agenda.example/"], member: name}
    with pytest.raises(RegistrationError, match=f"{member}.*cannot be shown"):
        parse_client(entry, "agenda")
