from datetime import timedelta
from pathlib import Path

import pytest

from idp.authentication.device_approval import ServiceQuestion
from idp.authentication.device_login import end
from idp.authentication.refusal import AuthenticationRefused
from idp.authentication.service_login import ask_for_service
from idp.model import Approval, ApprovalKind, ApprovalState, Limits
from tests.idp.authentication.doors_of_test import BROWSER, CLIENT, PHONE, Setting, with_doors

TWO_MINUTES = timedelta(minutes=2)


async def _ask(setting: Setting, hint: str = "899700000005") -> tuple[Approval, bool]:
    question = ServiceQuestion(binding_message="42", lifetime=TWO_MINUTES, scope=frozenset({"openid"}))
    return await ask_for_service(setting.doors, CLIENT, hint, BROWSER, question)


def test_the_question_carries_the_service_s_message_and_no_number(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval, able = await _ask(setting)
        assert able
        assert (approval.account_id, approval.kind, approval.binding_message) == ("camille", ApprovalKind.SERVICE, "42")
        assert (approval.code, set(approval.choices), approval.client_id) == ("", {""}, "dossier")
        assert setting.actions() == ["device_approval.requested"]

    with_doors(tmp_path, scenario)


@pytest.mark.parametrize("hint", ["899700001003", "899700000138"])
def test_someone_who_cannot_answer_gets_a_question_that_belongs_to_nobody(tmp_path: Path, hint: str) -> None:
    async def scenario(setting: Setting) -> None:
        approval, able = await _ask(setting, hint)
        assert not able
        assert await setting.doors.store.accounts.get(approval.account_id) is None
        assert await setting.doors.store.interactions.get_approval(approval.id) == approval
        assert setting.actions() == ["login.failed"]

    with_doors(tmp_path, scenario)


def test_a_yes_forgets_the_attempts_before_it(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for _ in range(2):
            approval, _ = await _ask(setting)
        await end(setting.doors, approval, ApprovalState.APPROVED, PHONE, device_id="d")
        for _ in range(2):
            await _ask(setting)
        with pytest.raises(AuthenticationRefused, match="too_many_attempts"):
            await _ask(setting)

    with_doors(tmp_path, scenario, Limits(account_attempt_count=2))
