from dataclasses import replace

import pytest

from idp.model import Consent
from tests.idp.wire import START

GIVEN = Consent(
    account_id="a", client_id="c", client_name="Service", place="service.example", scope=frozenset({"openid", "profile"}), given_at=START
)


@pytest.mark.parametrize(
    ("change", "covered"),
    [
        ({}, True),
        ({"scope": frozenset({"openid"})}, True),
        ({"scope": frozenset({"openid", "identity"})}, False),
        ({"client_name": "Autre"}, False),
        ({"place": "evil.example"}, False),
        ({"account_id": "b"}, False),
        ({"client_id": "d"}, False),
    ],
    # Sets have no order to be named by.
    ids=["as shown", "less", "more", "other name", "other place", "other person", "other service"],
)
def test_a_yes_is_to_what_was_shown_and_to_less_of_it(change: dict[str, object], covered: bool) -> None:
    assert GIVEN.covers(replace(GIVEN, **change)) is covered  # type: ignore[arg-type]  # names are the test's own
