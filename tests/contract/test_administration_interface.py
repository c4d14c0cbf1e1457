"""The administration interface does what its own description says: Schemathesis makes requests of it, right and wrong ones.

Each operation gets requests that the description allows and requests that it forbids, with a token that may do everything and with none.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.examples import examples
from tests.idp.endpoints.console.entering import ADMIN
from tests.idp.wire import Wire, client, running

SCOPES = frozenset(
    {
        *("sessions:read", "sessions:revoke", "accounts:read", "accounts:suspend", "clients:read", "clients:write"),
        *("keys:read", "keys:rotate", "audit:read"),
    }
)
#: A client is described as any object, and is then held to the rules of registration.
BY_HAND = [positive_data_acceptance]
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


class Interface:
    """The interface over its port, with the token of a client that may do everything."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        steward = client("steward", grant_types=("client_credentials",), scope=SCOPES)
        wire.call(lambda provider: provider.store.clients.put(steward))
        self.document: dict[str, Any] = wire.http.get(f"{ADMIN}/admin/v1/openapi.json").json()

    def token(self) -> str:
        """A fresh one: an operation may have withdrawn the key that signed the last."""
        return str(self.wire.post("token", "steward", grant_type="client_credentials", scope=" ".join(SCOPES)).json()["access_token"])

    def send(self, case: schemathesis.Case, token: str | None) -> Any:
        """The answer to a request that Schemathesis made."""
        request = case.as_transport_kwargs(base_url=ADMIN)
        given = {name: value for name, value in dict(request.get("headers") or {}).items() if name.lower() != "authorization"}
        headers = {**given, **({"Authorization": f"Bearer {token}"} if token else {})}
        body = request.pop("data", None)
        return self.wire.http.request(**{**request, "headers": headers, "cookies": None, **({"content": body} if body else {})})


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    with running(tmp_path_factory.mktemp("idp"), admin_port=8801) as wire:
        yield Interface(wire)


def _operations(interface: Interface) -> list[Any]:
    """Every operation, without its way in: the token is ours to send or to leave out."""
    document = copy.deepcopy(interface.document)
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    found = [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]
    return [operation for operation in found if operation.path.startswith("/admin/v1")]


def test_the_description_says_how_to_get_in_and_names_every_operation(interface: Interface) -> None:
    assert interface.document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operations = [found for path, item in interface.document["paths"].items() if path.startswith("/admin/v1") for found in item.values()]
    assert len(operations) >= 16
    assert all(found["security"] == [{"token": []}] and {"401", "403", "422"} <= found["responses"].keys() for found in operations)


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_one_that_the_description_knows(interface: Interface, mode: schemathesis.GenerationMode) -> None:
    answered = set()
    for operation in _operations(interface):
        if mode is schemathesis.GenerationMode.NEGATIVE and "requestBody" not in operation.definition.raw:
            continue  # names in an address are any text

        @settings(
            max_examples=examples(8), deadline=None, database=None, suppress_health_check=QUIET, phases=[Phase.explicit, Phase.generate]
        )
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            answer = interface.send(case, interface.token())
            case.validate_response(answer, excluded_checks=BY_HAND)
            answered.add(answer.status_code)

        check()
    assert {schemathesis.GenerationMode.POSITIVE: 200, schemathesis.GenerationMode.NEGATIVE: 422}[mode] in answered


def test_nothing_is_answered_without_a_token_or_with_a_wrong_one(interface: Interface) -> None:
    for operation in _operations(interface):

        @settings(max_examples=2, deadline=None, database=None, suppress_health_check=QUIET, phases=[Phase.generate])
        @given(operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            assert [interface.send(case, token).status_code for token in (None, "x", f"{interface.token()}x")] == [401] * 3

        check()
