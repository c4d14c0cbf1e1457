import pytest

from idp.client_auth.client_secret_post import present, verify
from idp.client_auth.presented import Expectation, Presented
from idp.errors import InvalidClient
from tests.idp.wire import ISSUER, SECRET, START, client

EXPECTED = Expectation(issuer=ISSUER, endpoints=frozenset(), now=START)


@pytest.mark.spec("RFC6749-2.3.1")
def test_reads_both_members_of_the_form() -> None:
    assert present("", {"client_id": "c", "client_secret": "s"}) == Presented(client_id="c", proof="s")
    assert present("", {"client_id": "c"}) is None
    with pytest.raises(InvalidClient, match="client_id"):
        present("", {"client_secret": "s"})


def test_only_the_secret_itself_is_accepted() -> None:
    verify(client("c"), Presented(client_id="c", proof=SECRET), EXPECTED)
    for wrong in (SECRET[:-1], SECRET + "s", "", None):
        with pytest.raises(InvalidClient):
            verify(client("c"), Presented(client_id="c", proof=wrong), EXPECTED)
