"""Metrics are on a port of their own, in a form that Prometheus reads, with labels from closed lists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from idp.app import create_app
from idp.clock import Clock
from idp.settings import Environment, Settings
from tests.idp.endpoints.login_flow import BASE_URL, START

OWN = "http://127.0.0.1:8801"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(state=tmp_path, environment=Environment.DEVELOPMENT, base_url=BASE_URL, admin_port=8801)
    with TestClient(create_app(settings, clock=Clock(lambda: START)), base_url=BASE_URL) as client:
        yield client


def _samples(client: TestClient) -> list[Any]:
    answer = client.get(f"{OWN}/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


def test_requests_are_counted_by_their_route_never_by_what_was_asked_for(client: TestClient) -> None:
    client.get("/auth?client_id=nobody")
    client.get("/auth/resume/4d5e6f-secret")
    client.get("/wp-login.php")
    samples = _samples(client)
    counted = {(s.labels["route"], s.labels["status"]): s.value for s in samples if s.name == "idp_http_requests_total"}
    assert counted["/auth", "400"] == 1 and counted["/auth/resume/{interaction_id}", "400"] == 1
    assert not [sample for sample in samples for label in sample.labels.values() if "secret" in label or "wp-login" in label]
    total = next(s.value for s in samples if s.name == "idp_http_request_seconds_bucket" and s.labels == {"route": "/auth", "le": "+Inf"})
    assert total == 1


def test_audit_events_and_the_age_of_keys_are_there(client: TestClient) -> None:
    client.get("/auth?client_id=nobody")
    samples = {(sample.name, *sample.labels.values()): sample.value for sample in _samples(client)}
    assert samples["idp_audit_events_total", "authorization.refused", "failure"] == 1
    assert samples["idp_signing_key_age_seconds", "ES256"] == 0


def test_the_administration_has_its_port_to_itself(client: TestClient) -> None:
    assert client.get(f"{OWN}/health/ready").status_code == 200
    assert "/admin/v1/sessions/search" in client.get(f"{OWN}/admin/v1/openapi.json").json()["paths"]
    assert client.post(f"{OWN}/admin/v1/sessions/search", json={}).status_code == 401
    assert client.post("/admin/v1/sessions/search", json={}).status_code == 404
    assert client.get("/metrics").status_code == 404
    # The name that a request gives the server counts for nothing: what counts is the port it came in by.
    assert client.get("/metrics", headers={"Host": "127.0.0.1:8801"}).status_code == 404
    for path in ("/auth", "/control/v1/approvals?national_id=x", "/auth/realms/esante-wallet/protocol/openid-connect/certs"):
        assert client.get(f"{OWN}{path}").status_code == 404
