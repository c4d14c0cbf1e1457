from dataclasses import replace

import pytest

from idp.errors import InvalidTarget
from idp.model import Grant
from idp.tokens.resources import audience_of, spoken_resources
from tests.idp.wire import ISSUER, START, client

A, B = "https://a.example/", "https://b.example/"
CLIENT = client("c", resources=(A, B))
GRANT = Grant(
    id="g",
    client_id="c",
    account_id=None,
    session_id=None,
    scope=frozenset(),
    nonce=None,
    acr=None,
    amr=(),
    method=None,
    auth_time=None,
    created_at=START,
)


@pytest.mark.spec("RFC8707-2.2", "RFC9700-4.10.2")
def test_a_token_is_for_what_was_granted_or_for_a_part_of_it() -> None:
    granted = replace(GRANT, resources=frozenset({A, ISSUER}))
    assert spoken_resources(CLIENT, granted, None, issuer=ISSUER) == {A, ISSUER}
    assert spoken_resources(CLIENT, granted, A, issuer=ISSUER) == {A}
    for beyond in (B, f"{A} {B}"):
        with pytest.raises(InvalidTarget):
            spoken_resources(CLIENT, granted, beyond, issuer=ISSUER)


@pytest.mark.spec("RFC8707-2.2")
def test_a_grant_that_named_none_can_be_narrowed_to_the_client_s_own() -> None:
    assert spoken_resources(CLIENT, GRANT, f"{A} {B}", issuer=ISSUER) == {A, B}
    assert spoken_resources(CLIENT, GRANT, None, issuer=ISSUER) == frozenset()
    with pytest.raises(InvalidTarget):
        spoken_resources(CLIENT, GRANT, "https://evil.example/", issuer=ISSUER)


@pytest.mark.spec("RFC9068-3")
def test_the_audience_is_one_text_a_list_or_ourselves() -> None:
    assert audience_of(frozenset(), issuer=ISSUER) == ISSUER
    assert audience_of(frozenset({A}), issuer=ISSUER) == A
    assert audience_of(frozenset({B, A}), issuer=ISSUER) == [A, B]
