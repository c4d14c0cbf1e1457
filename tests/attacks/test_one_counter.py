"""Guessing at several doors in turn is no more guessing than at one: an account has one counter, a phone has three tries.

Precedents: Keycloak CVE-2026-9798 (CIBA ignored the lock-out), CVE-2026-9792 (another grant past the policy), Zitadel CVE-2025-64102.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.idp.endpoints.backchannel_flow import Services, service
from tests.idp.endpoints.card_flow import ISSUER, read, settings_of_cards
from tests.idp.endpoints.device_flow import Devices, running_devices
from tests.idp.endpoints.login_flow import CAMILLE, NOBODY, Browser

pytestmark = pytest.mark.precedent("CVE-2026-9798", "CVE-2026-9792", "CVE-2025-64102")


class Doors:
    """Every way to put a question to a person, each from an address that nobody has seen before."""

    def __init__(self, devices: Devices) -> None:
        self.devices, self.services = devices, Services(devices.provider)
        for client_id in ("lps", "rival-service"):
            self.services.register(service(client_id))
        self._addresses = count(1)
        self.all: dict[str, Callable[[str], int]] = {
            "login": lambda person: self._browser_login(person),
            "login again": lambda person: self._browser_login(person, prompt="login"),
            "step up": lambda person: self._browser_login(person, acr_values="eidas2", max_age="0"),
            "device": self._device,
            "page of sessions": self._sessions,
            "card": self._card,
            "service": lambda person: int(self.services.ask("lps", login_hint=person).status_code),
            "another service": lambda person: int(self.services.ask("rival-service", login_hint=person).status_code),
        }

    def _browser(self) -> Browser:
        number = next(self._addresses)
        return self.devices.provider.browser(f"198.51.{number // 250}.{number % 250 + 1}")

    def _browser_login(self, person: str, **parameters: str) -> int:
        browser = self._browser()
        return int(browser.identify(browser.begin(**parameters), person).status_code)

    def _device(self, person: str) -> int:
        browser = self._browser()
        page = self.devices.warned(browser, self.devices.ask().json()["user_code"])
        login = urlsplit(self.devices.decide(browser, page, "continue").headers["location"]).path
        return int(browser.identify(login, person).status_code)

    def _card(self, person: str) -> int:
        """A card that holds, and still is one more attempt; of whoever nobody knows, the page says so."""
        browser = self._browser()
        address = browser._headers["X-Forwarded-For"]
        page = read(self.devices.provider, browser, browser.begin(), ISSUER.card(f"CN={person}"), **{"X-Forwarded-For": address})
        return 200 if page.status_code == 403 and "pas de compte" in page.text else int(page.status_code)

    def _sessions(self, person: str) -> int:
        browser = self._browser()
        asked = urlsplit(browser.get("/sessions").headers["location"])
        began = browser.request("GET", asked.path, params=dict(parse_qsl(asked.query)))
        return int(browser.identify(urlsplit(began.headers["location"]).path, person).status_code)


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with running_devices(tmp_path, **settings_of_cards(tmp_path)) as devices:
        yield Doors(devices)


@pytest.mark.parametrize("person", [CAMILLE, NOBODY], ids=["somebody", "nobody"])
def test_going_from_door_to_door_multiplies_no_attempts(doors: Doors, person: str) -> None:
    limit = doors.devices.provider.state.limits.account_attempt_count
    names = list(doors.all)
    answers = [(name, doors.all[name](person)) for name in (names * limit)[: limit + 3 * len(names)]]
    assert [name for name, status in answers if status not in (200, 303, 429)] == []
    assert len([name for name, status in answers if status != 429]) == limit
    assert {status for _, status in answers[limit:]} == {429}, "whichever door is tried then"
    asked = doors.devices.provider.audit("device_approval.requested", "backchannel_authentication.requested")
    assert len(asked) <= limit


def test_wrong_pins_count_at_every_door_and_three_block_the_phone(doors: Doors) -> None:
    provider, phone = doors.devices.provider, doors.devices.provider.phone(CAMILLE)
    for name, pin in (("login", "0000"), ("service", "1111"), ("device", "2222")):
        doors.all[name](CAMILLE)
        question = phone.questions()[-1]
        choice = question["choices"][0] if question.get("choices") else ""
        assert phone.answer(question, "approve", choice, pin=pin).status_code == 403, name
    assert phone.send("GET", "/phone/api/approvals").json()["error"] == "device_blocked"
    limit = provider.state.limits.account_attempt_count
    left = [doors.all["login"](CAMILLE) for _ in range(limit)].count(303)
    assert left == limit - 3 - 3, "three questions and three wrong PINs are six attempts"


def test_user_codes_are_guessed_from_one_address_no_more_often_than_anything_else(doors: Doors) -> None:
    from tests.idp.endpoints.login_flow import csrf_of

    browser = doors.devices.provider.browser("203.0.113.77")
    limit = doors.devices.provider.state.limits.source_attempt_count
    csrf = csrf_of(browser.get("/device").text)
    guesses = [
        browser.request("POST", "/device", data={"csrf": csrf, "user_code": f"BCDF-GH{a}{b}"}).status_code
        for a in "BCDFGHJKLM"
        for b in "BCDFGHJKLM"
    ]
    assert guesses == [422] * limit
    assert browser.request("POST", "/device", data={"csrf": csrf, "user_code": "BCDF-GHJK"}).status_code == 429
    assert browser.identify(browser.begin(), CAMILLE).status_code == 429, "and the login counts with it"
