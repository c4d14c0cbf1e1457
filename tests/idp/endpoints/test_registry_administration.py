"""Clients, people, keys and the audit log by the administration API: each with its scope, secrets told once, searches recorded."""

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException

from idp.endpoints.administration import Actor
from idp.endpoints.registry_administration import put_client, rotate_secret, suspend_client
from idp.registration import hash_client_secret
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, NOBODY, Provider, running_provider

AGENDA = {"client_name": "Agenda", "redirect_uris": ["https://agenda.example/retour"]}
SCOPES = "clients:read clients:write accounts:read keys:read keys:rotate audit:read"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        clients = running.state.store.clients
        watch = running.call(clients.get("veilleur-siem"))
        running.call(clients.put(replace(watch, scope=watch.scope | frozenset(SCOPES.split()))))
        yield running


def _ask(provider: Provider, method: str, path: str, document: Any = None, scope: str = SCOPES) -> Any:
    headers = provider.administrator(scope)
    return provider.client.request(method, f"{BASE_URL}/admin/v1/{path}", json=document, headers=headers)


SEARCH = {"from_at": "2026-11-22T00:00:00Z"}


@pytest.mark.spec("RFC6750-3.1")
@pytest.mark.parametrize(
    ("method", "path", "document", "scope"),
    [
        ("GET", "clients", None, "clients:read"),
        ("PUT", "clients/agenda", AGENDA, "clients:write"),
        ("POST", "clients/dossier/secret", None, "clients:write"),
        ("POST", "accounts/search", {"national_id": CAMILLE}, "accounts:read"),
        ("GET", "keys", None, "keys:read"),
        ("POST", "keys/rotate", {"alg": "ES256"}, "keys:rotate"),
        ("POST", "audit/search", SEARCH, "audit:read"),
    ],
)
def test_each_operation_needs_its_scope_and_no_other_does(provider: Provider, method: str, path: str, document: Any, scope: str) -> None:
    others = " ".join(one for one in SCOPES.split() if one != scope)
    assert provider.client.request(method, f"{BASE_URL}/admin/v1/{path}", json=document).status_code == 401
    assert _ask(provider, method, path, document, others).status_code == 403
    assert _ask(provider, method, path, document, scope).status_code == 200


def test_a_client_is_registered_its_secret_told_once_and_read_back_as_it_was_written(provider: Provider) -> None:
    made = _ask(provider, "PUT", "clients/agenda", AGENDA).json()
    assert len(made["client_secret"]) >= 43 and made["has_secret"]
    again = _ask(provider, "PUT", "clients/agenda", AGENDA | {"client_name": "Rendez-vous"}).json()
    assert again["client_secret"] is None
    listed = {one["client"]["client_id"]: one for one in _ask(provider, "GET", "clients").json()["clients"]}
    assert listed["agenda"]["client"] == {"client_id": "agenda", **AGENDA, "client_name": "Rendez-vous"}
    assert made["client_secret"] not in str(listed)
    changed = [event for event in provider.audit("client.changed") if event["health.relying_party.id"] == "agenda"]
    assert [event["health.actor.id"] for event in changed] == ["veilleur-siem"] * 2


def test_a_wrong_member_is_named_and_changes_nothing(provider: Provider) -> None:
    refused = _ask(provider, "PUT", "clients/agenda", AGENDA | {"redirect_uris": ["http://agenda.example/"]})
    assert refused.status_code == 422 and "redirect_uris" in refused.json()["detail"]
    assert _ask(provider, "PUT", "clients/agenda", AGENDA | {"client_id": "other"}).status_code == 422
    assert "agenda" not in str(_ask(provider, "GET", "clients").json())


def test_a_new_secret_ends_the_old_one(provider: Provider) -> None:
    first = _ask(provider, "PUT", "clients/agenda", AGENDA | {"grant_types": ["client_credentials"], "scope": "x"}).json()["client_secret"]
    second = _ask(provider, "POST", "clients/agenda/secret").json()["client_secret"]

    def try_out(secret: str) -> int:
        form = {"grant_type": "client_credentials", "scope": "x"}
        url = f"{provider.state.issuer}/protocol/openid-connect/token"
        status: int = provider.client.post(url, data=form, auth=("agenda", secret)).status_code
        return status

    assert (try_out(first), try_out(second)) == (401, 200)
    assert _ask(provider, "POST", "clients/nobody/secret").status_code == 404
    _ask(provider, "PUT", "clients/public", AGENDA | {"token_endpoint_auth_method": "none"})
    assert _ask(provider, "POST", "clients/public/secret").status_code == 409


def test_a_person_is_found_with_their_phones(provider: Provider) -> None:
    provider.phone(CAMILLE)
    found = _ask(provider, "POST", "accounts/search", {"national_id": CAMILLE}).json()
    assert (found["given_name"], found["state"], [device["state"] for device in found["devices"]]) == ("CAMILLE", "active", ["active"])
    assert _ask(provider, "POST", "accounts/search", {"national_id": NOBODY}).status_code == 404


def test_a_key_is_rotated_and_its_successor_published_before_it_signs(provider: Provider) -> None:
    made = _ask(provider, "POST", "keys/rotate", {"alg": "ES256", "lead_hours": 1}).json()
    keys = {key["kid"]: key for key in _ask(provider, "GET", "keys").json()["keys"]}
    assert made["kid"] in keys and made["active_at"] > made["created_at"]
    assert [key["removed_at"] is not None for key in keys.values() if key["alg"] == "ES256"].count(True) == 1
    assert not [name for key in keys.values() for name in key if name in ("d", "private", "pem")]
    assert _ask(provider, "POST", "keys/rotate", {"alg": "none"}).status_code == 422


def test_a_stolen_key_is_withdrawn_and_the_tokens_that_it_signed_are_worth_nothing(provider: Provider) -> None:
    headers = provider.administrator(SCOPES)
    stolen = json.loads(base64.urlsafe_b64decode(headers["Authorization"].split()[1].split(".")[0] + "=="))["kid"]

    def withdraw(kid: str, given: dict[str, str]) -> int:
        status: int = provider.client.post(f"{BASE_URL}/admin/v1/keys/{kid}/withdraw", json={"reason": "stolen"}, headers=given).status_code
        return status

    assert withdraw(stolen, provider.administrator("keys:read")) == 403
    assert withdraw("nothing", headers) == 404
    assert withdraw(stolen, headers) == 200
    assert withdraw(stolen, headers) == 401, "its own token was signed by that key"
    assert withdraw(stolen, provider.administrator(SCOPES)) == 404
    (event,) = provider.audit("key.withdrawn")
    assert event["event.reason"] == f"key {stolen}: stolen"


def test_the_audit_log_is_searched_newest_first_and_the_search_is_in_it(provider: Provider) -> None:
    for _ in range(3):
        provider.client.get(f"{BASE_URL}/auth?client_id=nobody")
    reference = provider.client.get(f"{BASE_URL}/auth?client_id=nobody").headers["x-request-id"]
    found = _ask(provider, "POST", "audit/search", SEARCH | {"action": "authorization.refused", "limit": 2}).json()
    assert (len(found["events"]), found["complete"]) == (2, False)
    assert found["events"][0]["trace.id"] == reference
    (one,) = _ask(provider, "POST", "audit/search", SEARCH | {"reference": reference}).json()["events"]
    assert one["event.action"] == "authorization.refused"
    later = _ask(provider, "POST", "audit/search", {"from_at": "2030-01-01T00:00:00Z"}).json()
    assert later == {"events": [], "complete": True}
    _ask(provider, "POST", "audit/search", SEARCH | {"national_id": CAMILLE})
    searched = provider.audit("audit.searched")
    assert len(searched) == 4 and searched[-1]["user.id"] == CAMILLE and searched[-1]["health.actor.id"] == "veilleur-siem"


def test_nobody_gives_a_client_more_of_the_administration_than_they_have(provider: Provider) -> None:
    machine = {"client_name": "Robot", "grant_types": ["client_credentials"]}
    for scope, status in (("keys:rotate", 403), ("sessions:revoke x", 403), ("clients:write x", 200)):
        assert _ask(provider, "PUT", "clients/robot", machine | {"scope": scope}, "clients:write").status_code == status
    assert _ask(provider, "PUT", "clients/robot", machine | {"scope": "keys:rotate"}, SCOPES).status_code == 200
    # Who writes a client can act as it: one that may more is out of reach.
    renamed = machine | {"client_name": "Automate", "scope": "x"}
    assert _ask(provider, "PUT", "clients/robot", renamed, "clients:write").status_code == 403
    assert _ask(provider, "POST", "clients/robot/secret", None, "clients:write").status_code == 403
    assert _ask(provider, "POST", "clients/robot/secret", None, SCOPES).status_code == 200


def _version(provider: Provider) -> str:
    answer = _ask(provider, "GET", "clients/dossier")
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    return str(answer.headers["etag"])


def _with_version(provider: Provider, method: str, path: str, version: str, document: Any = None) -> Any:
    headers = {**provider.administrator(SCOPES), "If-Match": version}
    return provider.client.request(method, f"{BASE_URL}/admin/v1/{path}", json=document, headers=headers)


@pytest.mark.spec("RFC9110-13.1.1")
@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "clients/dossier", AGENDA),
        ("POST", "clients/dossier/secret", None),
        ("POST", "clients/dossier/suspend", None),
        ("POST", "clients/dossier/restore", None),
    ],
)
def test_a_change_is_made_to_what_was_read_or_not_at_all(provider: Provider, method: str, path: str, document: Any) -> None:
    stale = _version(provider)
    assert _ask(provider, "POST", "clients/dossier/secret").status_code == 200
    fresh = _version(provider)
    assert stale != fresh
    assert _with_version(provider, method, path, stale, document).status_code == 412
    assert _version(provider) == fresh
    assert _with_version(provider, method, path, fresh, document).status_code == 200


def test_a_client_that_is_not_there_cannot_be_the_one_that_was_read(provider: Provider) -> None:
    assert _with_version(provider, "PUT", "clients/agenda", "*", AGENDA).status_code == 412
    assert _with_version(provider, "PUT", "clients/agenda", '"0"', AGENDA).status_code == 412
    assert _with_version(provider, "PUT", "clients/dossier", "*", AGENDA).status_code == 200


@pytest.mark.spec("RFC9110-13.1.2")
def test_a_client_that_must_be_new_is_never_put_over_another(provider: Provider) -> None:
    headers = {**provider.administrator(SCOPES), "If-None-Match": "*"}
    asked = [provider.client.put(f"{BASE_URL}/admin/v1/clients/agenda", json=AGENDA, headers=headers).status_code for _ in range(2)]
    assert asked == [200, 412]


def test_of_two_new_secrets_asked_at_once_every_one_that_was_told_counts_or_none_was(provider: Provider) -> None:
    """Two clerks press the button: at the end the last secret told is the one that counts, and a refused clerk was told none."""
    actor = Actor(provider.state, "clerk", "192.0.2.1", "Firefox", frozenset({"clients:write"}))

    async def both() -> list[Any]:
        return await asyncio.gather(*(rotate_secret("dossier", actor) for _ in range(5)), return_exceptions=True)

    answers = provider.call(both())
    told = [one.client_secret for one in answers if not isinstance(one, BaseException)]
    refused = [one.status_code for one in answers if isinstance(one, HTTPException)]
    assert len(told) == 1
    assert refused == [409] * 4
    stored = provider.call(provider.state.store.clients.get("dossier"))
    assert stored.client_secret_hash == hash_client_secret(told[0])


def test_changes_made_at_once_from_one_version_have_one_winner_and_nothing_is_lost(provider: Provider) -> None:
    actor = Actor(provider.state, "clerk", "192.0.2.1", "Firefox", frozenset({"clients:write"}))
    version = _version(provider)
    entries = [AGENDA | {"client_name": f"Agenda {number}"} for number in range(5)]

    async def all_at_once() -> list[Any]:
        changes = (put_client("dossier", dict(entry), actor, version) for entry in entries)
        return await asyncio.gather(*changes, suspend_client("dossier", actor, version), return_exceptions=True)

    answers = provider.call(all_at_once())
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert {one.status_code for one in answers if isinstance(one, HTTPException)} <= {409, 412}
    assert len([event for event in provider.audit("client.changed") if event.get("health.actor.id") == "clerk"]) == 1


def test_what_is_done_to_clients_and_keys_is_recorded_with_who_from_where_and_what(provider: Provider) -> None:
    entry = {"client_name": "Dossier", "redirect_uris": ["https://dossier.example/retour"], "developers": [CAMILLE]}
    assert _ask(provider, "PUT", "clients/dossier", entry).status_code == 200
    assert _ask(provider, "POST", "clients/dossier/secret").status_code == 200
    assert _ask(provider, "POST", "keys/rotate", {"alg": "ES256"}).status_code == 200
    changed, rotated, key = provider.audit("client.changed", "key.rotated")[-3:]
    assert 'client_name: "Dossier patient" → "Dossier"' in changed["event.reason"]
    assert "developers" in changed["event.reason"] and CAMILLE not in changed["event.reason"]
    assert rotated["event.reason"] == "changed: a new secret"
    for event in (changed, rotated, key):
        assert event["health.actor.id"] == "veilleur-siem"
        assert event["source.ip"] == "127.0.0.1"
