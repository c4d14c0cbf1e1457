from siem.response.actions import ACTIONS, build
from tests.siem.response.actions.conftest import Given


def test_every_action_is_built_under_its_name_and_says_what_it_would_do(given: Given) -> None:
    actions = build(given.bench.services())
    assert list(actions) == [kind.name for kind in ACTIONS]
    for action in actions.values():
        arguments = dict.fromkeys((*action.inputs,), "P-AAAAAAAAAA")
        assert action.plan(given.context(**arguments)).endswith(".")
        assert action.title
    assert given.bench.peer.calls == []
    assert given.bench.sent == []
