import asyncio
from dataclasses import replace
from pathlib import Path

from idp.authentication.device_login import ask, end, end_unanswered, give_up, look, seconds_left, take_approved
from idp.model import AccountState, ApprovalState
from tests.idp.authentication.doors_of_test import BROWSER, CAMILLE, CLIENT, PHONE, Setting, with_doors


def test_a_question_belongs_to_whoever_was_typed(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, " 997 000 000 05 ", BROWSER)
        assert approval.account_id == "camille"
        assert (await setting.interaction()).approval_id == approval.id
        assert [a.id for a in await setting.doors.store.interactions.pending_approvals("camille", setting.now[0])] == [approval.id]
        assert setting.actions() == ["device_approval.requested"]

    with_doors(tmp_path, scenario)


def test_unknown_and_suspended_people_get_a_question_of_nobody(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for number, typed in enumerate(("899700001003", "899700000138")):
            approval = await ask(setting.doors, await setting.interaction(f"i-{number}"), CLIENT, typed, BROWSER)
            assert await setting.doors.store.accounts.get(approval.account_id) is None
            assert typed not in str(approval)
        assert setting.actions() == ["login.failed", "login.failed"]
        assert [event.get("user.id") for event in setting.events()] == [None, "899700000138"]

    with_doors(tmp_path, scenario)


def test_of_many_ends_one_wins_and_is_written(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        states = [ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.REPORTED, ApprovalState.EXPIRED] * 3
        settled = await asyncio.gather(*(end(setting.doors, approval, state, PHONE) for state in states))
        assert len({one.state for one in settled}) == 1
        finals = [action for action in setting.actions() if action.startswith("device_approval.") and action != "device_approval.requested"]
        assert len(finals) == 1

    with_doors(tmp_path, scenario)


def test_an_approved_question_proves_a_person_once(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        interaction = await setting.interaction()
        assert await take_approved(setting.doors, interaction, approval, BROWSER) is None
        approved = await end(setting.doors, approval, ApprovalState.APPROVED, PHONE)
        taken = await asyncio.gather(*(take_approved(setting.doors, interaction, approved, BROWSER) for _ in range(5)))
        assert [account.id for account in taken if account] == ["camille"]

    with_doors(tmp_path, scenario)


def test_an_approval_of_another_login_proves_nobody(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction("i-1"), CLIENT, "899700000005", BROWSER)
        approved = await end(setting.doors, approval, ApprovalState.APPROVED, PHONE)
        other = replace(await setting.interaction("i-2"), approval_id=approval.id)
        assert await take_approved(setting.doors, other, approved, BROWSER) is None
        assert await look(setting.doors, other, BROWSER) is None

    with_doors(tmp_path, scenario)


def test_who_was_suspended_meanwhile_does_not_enter(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        approved = await end(setting.doors, approval, ApprovalState.APPROVED, PHONE)
        await setting.doors.store.accounts.put(replace(CAMILLE, state=AccountState.SUSPENDED))
        assert await take_approved(setting.doors, await setting.interaction(), approved, BROWSER) is None
        assert setting.events()[-1]["event.reason"] == "the account is suspended"

    with_doors(tmp_path, scenario)


def test_a_question_is_ended_when_its_time_has_passed_and_only_then(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        setting.advance(119)
        assert (await look(setting.doors, await setting.interaction(), BROWSER)) == approval
        assert seconds_left(approval, setting.now[0]) == 1
        setting.advance(1)
        assert seconds_left(approval, setting.now[0]) == 0
        for _ in range(2):
            seen = await look(setting.doors, await setting.interaction(), BROWSER)
            assert seen is not None
            assert seen.state is ApprovalState.EXPIRED
        assert setting.actions() == ["device_approval.requested", "device_approval.expired", "login.failed"]

    with_doors(tmp_path, scenario)


def test_questions_whose_browser_left_end_in_the_log_once(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for number, typed in enumerate(("899700000005", "899700001003")):
            await ask(setting.doors, await setting.interaction(f"i-{number}"), CLIENT, typed, BROWSER)
        await end_unanswered(setting.doors)
        setting.advance(120)
        await end_unanswered(setting.doors)
        await end_unanswered(setting.doors)
        assert setting.actions() == [
            "device_approval.requested",
            "login.failed",
            "device_approval.expired",
            "login.failed",
            "device_approval.expired",
        ]

    with_doors(tmp_path, scenario)


def test_giving_up_ends_what_waits_and_leaves_what_is_settled(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        await give_up(setting.doors, await setting.interaction(), BROWSER)
        approval = await ask(setting.doors, await setting.interaction(), CLIENT, "899700000005", BROWSER)
        await give_up(setting.doors, await setting.interaction(), BROWSER)
        await give_up(setting.doors, await setting.interaction(), BROWSER)
        ended = await setting.doors.store.interactions.get_approval(approval.id)
        assert ended is not None
        assert ended.state is ApprovalState.EXPIRED
        assert setting.actions().count("device_approval.expired") == 1

    with_doors(tmp_path, scenario)
