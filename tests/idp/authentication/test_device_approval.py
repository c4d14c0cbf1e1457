from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.device_approval import FINAL_ACTIONS, Answer, Decision, Origin, answered, is_final, new_approval, state_at
from idp.authentication.refusal import AuthenticationRefused
from idp.model import Approval, ApprovalState, Client, Interaction

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CLIENT = Client(client_id="c", client_name="Dossier patient", structure_name="Hôpital")
INTERACTION = Interaction(id="i", request={}, client_id="c", browser_hash="h", created_at=NOW, expires_at=NOW + timedelta(minutes=10))


def _approval(seed: int = 1) -> Approval:
    return new_approval(INTERACTION, CLIENT, "a", Origin("192.0.2.1", "Firefox"), NOW, lifetime=timedelta(seconds=120), random=Random(seed))


def _answer(approval: Approval, decision: Decision = Decision.APPROVE, **changes: str) -> Answer:
    return replace(Answer(decision, approval.challenge, approval.code), **changes)


@given(st.integers())
def test_the_three_choices_cannot_be_mistaken_for_one_another(seed: int) -> None:
    approval = _approval(seed)
    assert approval.code in approval.choices
    assert len({choice[0] for choice in approval.choices}) == len({choice[1] for choice in approval.choices}) == 3
    assert all(one != other[::-1] for one in approval.choices for other in approval.choices if one != other)
    assert all(len(choice) == 2 and choice.isdigit() for choice in approval.choices)


def test_the_right_choice_stands_anywhere() -> None:
    places = {approval.choices.index(approval.code) for approval in map(_approval, range(50))}
    assert places == {0, 1, 2}


def test_two_questions_share_nothing_to_answer_with() -> None:
    one, other = _approval(), _approval()
    assert one.id != other.id
    assert one.challenge != other.challenge


@pytest.mark.parametrize(
    ("decision", "choice", "state"),
    [
        (Decision.APPROVE, "right", ApprovalState.APPROVED),
        (Decision.APPROVE, "wrong", ApprovalState.MISMATCHED),
        (Decision.DENY, "right", ApprovalState.DENIED),
        (Decision.REPORT, "", ApprovalState.REPORTED),
    ],
)
def test_each_answer_leads_to_its_state(decision: Decision, choice: str, state: ApprovalState) -> None:
    approval = _approval()
    given_choice = {"right": approval.code, "wrong": next(c for c in approval.choices if c != approval.code)}.get(choice, choice)
    settled = answered(approval, _answer(approval, decision, choice=given_choice), account_id="a", device_id="d", now=NOW)
    assert (settled.state, settled.device_id) == (state, "d")


@pytest.mark.parametrize("state", list(FINAL_ACTIONS))
def test_a_settled_question_takes_no_second_answer(state: ApprovalState) -> None:
    approval = replace(_approval(), state=state)
    with pytest.raises(AuthenticationRefused, match="already_settled"):
        answered(approval, _answer(approval), account_id="a", device_id="d", now=NOW)


def test_another_persons_question_is_as_absent_as_none() -> None:
    approval = _approval()
    refusals = []
    for found, account_id in ((approval, "b"), (None, "a")):
        with pytest.raises(AuthenticationRefused) as refused:
            answered(found, _answer(approval), account_id=account_id, device_id="d", now=NOW)
        refusals.append((str(refused.value), refused.value.status))
    assert refusals[0] == refusals[1]


def test_an_answer_is_for_one_challenge() -> None:
    approval = _approval()
    with pytest.raises(AuthenticationRefused, match="invalid_challenge"):
        answered(approval, _answer(approval, challenge="é"), account_id="a", device_id="d", now=NOW)


def test_a_question_ends_at_its_instant() -> None:
    approval = _approval()
    just_before = approval.expires_at - timedelta(microseconds=1)
    assert state_at(approval, just_before) is ApprovalState.REQUESTED
    assert answered(approval, _answer(approval), account_id="a", device_id="d", now=just_before).state is ApprovalState.APPROVED
    assert state_at(approval, approval.expires_at) is ApprovalState.EXPIRED
    with pytest.raises(AuthenticationRefused, match="expired"):
        answered(approval, _answer(approval), account_id="a", device_id="d", now=approval.expires_at)


def test_an_approved_question_stays_approved() -> None:
    approval = replace(_approval(), state=ApprovalState.APPROVED)
    assert state_at(approval, approval.expires_at + timedelta(hours=1)) is ApprovalState.APPROVED


def test_every_state_but_two_is_final() -> None:
    assert {state for state in ApprovalState if not is_final(state)} == {ApprovalState.REQUESTED, ApprovalState.SEEN}
