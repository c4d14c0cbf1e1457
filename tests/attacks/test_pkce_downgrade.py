"""A code must not be redeemable without the proof its request announced, nor with one it did not.

Precedents: authentik CVE-2023-48228 and CVE-2024-23647, workers-oauth-provider CVE-2025-4144.
"""

import pytest

from tests.idp.wire import CHALLENGE, VERIFIER, Wire, query_of

pytestmark = pytest.mark.precedent("CVE-2023-48228", "CVE-2024-23647", "CVE-2025-4144")


@pytest.mark.spec("RFC9700-2.1.1", "RFC9700-4.8.2")
def test_a_verifier_without_challenge_is_refused(shared: Wire) -> None:
    code = shared.code("psc", code_challenge=None, code_challenge_method=None)
    assert shared.redeem(code, "psc").json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        VERIFIER[:-1] + "A",
        CHALLENGE,
        VERIFIER.lower(),
        VERIFIER[:42],
        VERIFIER * 3,
        VERIFIER + " ",
        VERIFIER + "\u0000",
        "é" * 43,
    ],
)
@pytest.mark.spec("RFC7636-4.6", "RFC9700-4.5.3.1")
def test_a_missing_or_wrong_verifier_is_refused_and_spends_the_code(shared: Wire, verifier: str | None) -> None:
    code = shared.code("psc")
    assert shared.redeem(code, "psc", code_verifier=verifier).json()["error"] == "invalid_grant"
    assert shared.redeem(code, "psc").json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge_method": "plain", "code_challenge": VERIFIER},
        {"code_challenge": None, "code_challenge_method": "S256"},
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "A"},
        {"code_challenge": CHALLENGE[:-1] + "="},
    ],
)
@pytest.mark.parametrize("client_id", ["psc", "baseline", "public"])
@pytest.mark.spec("RFC7636-4.4.1", "RFC9700-4.8.2")
def test_a_weak_or_broken_challenge_gets_no_code(shared: Wire, client_id: str, parameters: dict[str, str | None]) -> None:
    assert query_of(shared.authorize(client_id, cookie=shared.log_in(), **parameters))["error"] == "invalid_request"


@pytest.mark.parametrize("client_id", ["baseline", "public"])
def test_no_challenge_at_all_gets_no_code_outside_pro_sante_connect(shared: Wire, client_id: str) -> None:
    answer = shared.authorize(client_id, cookie=shared.log_in(), code_challenge=None, code_challenge_method=None)
    assert query_of(answer)["error"] == "invalid_request"
