"""The secrets that bind what happens at the address of cards to one login, and what is counted there."""

from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from idp.authentication.card_certificate import Cards
from idp.authentication.card_login import holds_ticket, invite, present, proved, take_proof
from idp.authentication.refusal import AuthenticationRefused
from idp.model import Limits
from idp.tokens.certificate import Certificate
from tests.idp.authentication.doors_of_test import BROWSER, START, Setting, with_doors
from tests.idp.cards import Authority

ISSUER = Authority("CN=Cartes d'essai", START)
CARDS = Cards([ISSUER.certificate], None, NameOID.COMMON_NAME)
CAMILLE = Certificate(x509=ISSUER.card("CN=899700000005").certificate, verified=False)
VICTOR = Certificate(x509=ISSUER.card("CN=899700000138").certificate, verified=False)
NOTHING = AuthenticationRefused("card_missing", "the browser showed no certificate")


async def _proof(setting: Setting, name: str = "i-1") -> str:
    await invite(setting.doors, await setting.interaction(name), BROWSER)
    return await present(setting.doors, CARDS, await setting.interaction(name), CAMILLE, BROWSER)


def test_a_ticket_is_of_one_login_and_the_newest_counts(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        one = await invite(setting.doors, await setting.interaction("i-1"), BROWSER)
        other = await invite(setting.doors, await setting.interaction("i-2"), BROWSER)
        assert holds_ticket(await setting.interaction("i-1"), one)
        assert not holds_ticket(await setting.interaction("i-1"), other)
        assert not holds_ticket(await setting.interaction("i-3"), "")
        newer = await invite(setting.doors, await setting.interaction("i-1"), BROWSER)
        assert [holds_ticket(await setting.interaction("i-1"), ticket) for ticket in (one, newer)] == [False, True]

    with_doors(tmp_path, scenario)


def test_a_proof_is_taken_once_in_its_own_login_and_in_time(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        proof, other = await _proof(setting), await _proof(setting, "i-2")
        interaction = await setting.interaction()
        assert await proved(setting.doors, interaction, other) is None
        assert await take_proof(setting.doors, interaction, other, BROWSER) is None
        account = await proved(setting.doors, interaction, proof)
        assert account is not None and account.id == "camille"
        assert await take_proof(setting.doors, interaction, proof, BROWSER) == account
        assert await take_proof(setting.doors, interaction, proof, BROWSER) is None
        setting.advance(121)
        assert await proved(setting.doors, await setting.interaction("i-2"), other) is None
        assert setting.actions() == ["login.failed", "login.failed"]

    with_doors(tmp_path, scenario)


def test_a_refusal_takes_back_what_an_earlier_card_proved(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        proof = await _proof(setting)
        with pytest.raises(AuthenticationRefused):
            await present(setting.doors, CARDS, await setting.interaction(), VICTOR, BROWSER)
        interaction = await setting.interaction()
        assert (interaction.card_fault, interaction.card_account_id) == ("card_suspended", None)
        assert await take_proof(setting.doors, interaction, proof, BROWSER) is None

    with_doors(tmp_path, scenario)


def test_the_account_is_counted_with_every_other_door_and_a_success_forgets(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for _ in range(2):
            await _proof(setting)
        with pytest.raises(AuthenticationRefused) as raised:
            await _proof(setting)
        assert raised.value.error == "too_many_attempts"
        setting.advance(901)
        proof = await _proof(setting, "i-2")
        assert await take_proof(setting.doors, await setting.interaction("i-2"), proof, BROWSER)
        for _ in range(2):
            await _proof(setting, "i-2")

    with_doors(tmp_path, scenario, Limits(account_attempt_count=2))


def test_an_address_that_shows_nothing_is_counted_too(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        errors = []
        for _ in range(3):
            with pytest.raises(AuthenticationRefused) as raised:
                await present(setting.doors, CARDS, await setting.interaction(), NOTHING, BROWSER)
            errors.append(raised.value.error)
        assert errors == ["card_missing", "card_missing", "too_many_attempts"]
        assert [event["event.reason"] for event in setting.events()][:2] == ["the browser showed no certificate"] * 2

    with_doors(tmp_path, scenario, Limits(source_attempt_count=2))
