"""The phone's API, through the whole application: what is signed, what is refused, and that one answer wins."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, LUCAS, Phone, Provider, public_jwk, running_provider

APPROVALS = "/phone/api/approvals"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def _asked(provider: Provider, phone: Phone, national_id: str = CAMILLE) -> tuple[dict[str, Any], str]:
    """A question on the phone, and the code that the browser shows."""
    provider.wall.advance(1)  # questions are told apart by when they were asked
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, national_id)
    return phone.questions()[-1], browser.code(login)


def test_a_phone_sees_who_asks_for_what_and_from_where(provider: Provider) -> None:
    question, code = _asked(provider, provider.phone(CAMILLE))
    assert question["client_name"] == "Dossier patient"
    assert question["structure_name"] == "Centre hospitalier d’Exemple"
    assert (question["source_ip"], question["user_agent"]) == ("203.0.113.7", "Mozilla/5.0 Firefox/140.0")
    assert question["requested_at"] < question["expires_at"]
    assert code in question["choices"]
    assert "code" not in question
    assert (question["place"], question["country"]) == (None, None)


def test_a_phone_sees_the_place_where_it_is_known(tmp_path: Path) -> None:
    geography = Path(__file__).parents[3] / "deploy/demo/geography.csv"
    with running_provider(tmp_path, geography_file=geography) as provider:
        question, _ = _asked(provider, provider.phone(CAMILLE))
        assert (question["place"], question["country"]) == ("São Paulo", "BR")


def test_an_activation_code_serves_once(provider: Provider) -> None:
    code = provider.control("POST", "enrolments", {"national_id": CAMILLE}).json()["activation_code"]
    assert Phone(provider, code.lower().replace("-", " ")).enrolment.status_code == 201
    again = Phone(provider, code).enrolment
    assert (again.status_code, again.json()) == (403, {"error": "invalid_activation_code"})
    assert len(provider.audit("device.enrolled")) == 1


def test_an_activation_code_expires(provider: Provider) -> None:
    code = provider.control("POST", "enrolments", {"national_id": CAMILLE}).json()["activation_code"]
    provider.wall.advance(24 * 3600 + 1)
    assert Phone(provider, code).enrolment.status_code == 403


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"pin": "12345"}, "invalid_pin_format"),
        ({"pin": "１２３４"}, "invalid_pin_format"),
        ({"name": " "}, "invalid_name"),
        ({"name": "x" * 61}, "invalid_name"),
        ({"public_jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}, "invalid_public_jwk"),
        ({"public_jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}}, "invalid_public_jwk"),
    ],
)
def test_a_wrong_enrolment_names_its_fault_and_keeps_the_code(provider: Provider, change: dict[str, Any], error: str) -> None:
    code = provider.control("POST", "enrolments", {"national_id": CAMILLE}).json()["activation_code"]
    jwk = public_jwk(ec.generate_private_key(ec.SECP256R1()))
    document = {"activation_code": code, "name": "Téléphone", "public_jwk": jwk, "pin": "2580", **change}
    answer = provider.client.post(f"{BASE_URL}/phone/api/devices", json=document)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert Phone(provider, code).enrolment.status_code == 201


def test_a_private_key_is_never_accepted(provider: Provider) -> None:
    document = {"activation_code": "x", "name": "Téléphone", "pin": "2580"}
    jwk = {**public_jwk(ec.generate_private_key(ec.SECP256R1())), "d": "A" * 43}
    answer = provider.client.post(f"{BASE_URL}/phone/api/devices", json={**document, "public_jwk": jwk})
    assert answer.json() == {"error": "invalid_public_jwk"}


@pytest.mark.spec("RFC9449-11.1")
def test_a_signature_serves_once(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    proof = phone.proof("GET", f"{BASE_URL}{APPROVALS}")
    assert phone.send("GET", APPROVALS, proof=proof).status_code == 200
    replayed = phone.send("GET", APPROVALS, proof=proof)
    assert (replayed.status_code, replayed.json()) == (401, {"error": "invalid_device_request"})


@pytest.mark.spec("RFC9449-4.3")
@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "POST"},
        {"htu": f"{BASE_URL}/phone/api/other"},
        {"htu": f"https://evil.example{APPROVALS}"},
        {"iat": 0},
        {"iat": True},
        {"iat": "now"},
        {"body_sha256": "A" * 43},
        {"jti": ""},
        {"jti": 7},
    ],
)
def test_a_signature_of_something_else_is_refused(provider: Provider, claims: dict[str, Any]) -> None:
    phone = provider.phone(CAMILLE)
    answer = phone.send("GET", APPROVALS, proof=phone.proof("GET", f"{BASE_URL}{APPROVALS}", **claims))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_device_request"})


def test_a_late_or_early_signature_is_refused(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    for shift, status in ((-61, 401), (-60, 200), (60, 200), (61, 401)):
        iat = int(provider.wall().timestamp()) + shift
        assert phone.send("GET", APPROVALS, proof=phone.proof("GET", f"{BASE_URL}{APPROVALS}", iat=iat)).status_code == status


def test_another_key_cannot_sign_for_a_phone(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    phone.key = ec.generate_private_key(ec.SECP256R1())
    assert phone.send("GET", APPROVALS).status_code == 401


def test_an_unknown_phone_is_refused_like_a_wrong_signature(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    phone.device_id = "unknown"
    answer = phone.send("GET", APPROVALS)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_device_request"})


def test_a_changed_body_is_refused(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    question, code = _asked(provider, phone)
    path = f"{APPROVALS}/{question['id']}"
    signed = json.dumps({"decision": "deny", "challenge": question["challenge"]}).encode()
    sent = json.dumps({"decision": "approve", "choice": code, "pin": "2580", "challenge": question["challenge"]}).encode()
    assert phone.send("POST", path, sent, proof=phone.proof("POST", f"{BASE_URL}{path}", signed)).status_code == 401


def test_three_wrong_pins_block_the_phone(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    question, code = _asked(provider, phone)
    answers = [phone.answer(question, "approve", code, pin="0000") for _ in range(3)]
    assert [(a.status_code, a.json()["error"], a.json()["remaining"]) for a in answers] == [
        (403, "invalid_pin", 2),
        (403, "invalid_pin", 1),
        (403, "device_blocked", 0),
    ]
    assert phone.answer(question, "approve", code).json()["error"] == "device_blocked"
    assert phone.send("GET", APPROVALS).json()["error"] == "device_blocked"
    (changed,) = provider.audit("credential.changed")
    assert (changed["health.device.id"], changed["user.id"]) == (phone.device_id, CAMILLE)
    assert provider.audit("device_approval.granted") == []


def test_a_right_pin_forgets_the_wrong_ones(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    for _ in range(2):
        question, code = _asked(provider, phone)
        for _ in range(2):
            phone.answer(question, "approve", code, pin="0000")
        assert phone.answer(question, "approve", code).json() == {"state": "approved"}


def test_guesses_in_parallel_get_no_more_than_three_tries(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    question, code = _asked(provider, phone)
    answers: list[str] = []
    bodies = [
        json.dumps({"decision": "approve", "choice": code, "pin": f"{n:04}", "challenge": question["challenge"]}).encode() for n in range(8)
    ]
    path = f"{APPROVALS}/{question['id']}"
    threads = [threading.Thread(target=lambda body=body: answers.append(phone.send("POST", path, body).json()["error"])) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("invalid_pin") == 2
    assert answers.count("device_blocked") == 6


def test_a_wrong_choice_ends_the_question(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    question, code = _asked(provider, phone)
    wrong = next(choice for choice in question["choices"] if choice != code)
    assert phone.answer(question, "approve", wrong).json() == {"state": "mismatched"}
    assert phone.answer(question, "approve", code).status_code == 409
    assert len(provider.audit("device_approval.mismatched")) == 1


@pytest.mark.parametrize(("decision", "state"), [("deny", "denied"), ("report", "reported")])
def test_to_refuse_needs_no_pin(provider: Provider, decision: str, state: str) -> None:
    phone = provider.phone(CAMILLE)
    question, _ = _asked(provider, phone)
    assert phone.answer(question, decision, pin="").json() == {"state": state}
    (event,) = provider.audit(f"device_approval.{state}")
    assert (event["event.outcome"], event["health.approval.id"], event["source.ip"]) == ("failure", question["id"], "192.0.2.9")
    (failed,) = provider.audit("login.failed")
    assert failed["source.ip"] == "203.0.113.7"
    assert failed["health.relying_party.id"] == "dossier"


def test_nobody_answers_for_somebody_else(provider: Provider) -> None:
    camille, lucas = provider.phone(CAMILLE), provider.phone(LUCAS)
    question, code = _asked(provider, camille)
    assert lucas.questions() == []
    answer = lucas.answer(question, "approve", code)
    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})
    assert camille.answer(question, "approve", code).json() == {"state": "approved"}


def test_an_answer_fits_one_question_only(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    first, _ = _asked(provider, phone)
    second, code = _asked(provider, phone)
    assert phone.answer({**second, "challenge": first["challenge"]}, "approve", code).json() == {"error": "invalid_challenge"}


def test_of_two_answers_at_once_one_wins(provider: Provider) -> None:
    phones = [provider.phone(CAMILLE), provider.phone(CAMILLE)]
    question, code = _asked(provider, phones[0])
    statuses: list[int] = []

    def decide(phone: Phone, decision: str) -> None:
        statuses.append(phone.answer(question, decision, code).status_code)

    threads = [threading.Thread(target=decide, args=pair) for pair in zip(phones, ("approve", "deny"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409]
    assert len(provider.audit("device_approval.granted", "device_approval.denied")) == 1


def test_an_answer_that_comes_too_late_is_refused(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    question, code = _asked(provider, phone)
    provider.wall.advance(121)
    answer = phone.answer(question, "approve", code)
    assert (answer.status_code, answer.json()) == (409, {"error": "expired"})
    assert phone.questions() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"decision": "perhaps"}', b'{"decision": "deny", "challenge": 7}'])
def test_a_body_that_makes_no_sense_is_refused(provider: Provider, body: bytes) -> None:
    phone = provider.phone(CAMILLE)
    question, _ = _asked(provider, phone)
    answer = phone.send("POST", f"{APPROVALS}/{question['id']}", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid_")


def test_the_time_is_the_providers(provider: Provider) -> None:
    provider.wall.advance(3600)
    assert provider.client.get(f"{BASE_URL}/phone/api/time").json() == {"now": int(provider.wall().timestamp())}


def test_a_question_is_noted_as_seen_once(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    _asked(provider, phone)
    phone.questions()
    assert len(provider.audit("device_approval.seen")) == 1


def test_the_host_header_does_not_change_what_must_be_signed(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    headers = {"Authorization": f"Device {phone.proof('GET', f'https://evil.example{APPROVALS}')}", "Host": "evil.example"}
    assert provider.client.get(f"{BASE_URL}{APPROVALS}", headers=headers).status_code == 401
