import pytest

from idp.errors import InvalidRequest, UnsupportedResponseType
from tests.idp.authorization.walk import decide


@pytest.mark.spec("RFC6749-3.1.1", "RFC9700-2.1.2")
@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "code id_token", "none", "Code"])
def test_only_the_code_flow_is_offered(response_type: str) -> None:
    with pytest.raises(UnsupportedResponseType):
        decide(response_type=response_type)


@pytest.mark.spec("RFC6749-3.1.1")
def test_it_is_demanded() -> None:
    with pytest.raises(InvalidRequest, match="response_type"):
        decide(response_type=None)


def test_the_answer_comes_in_the_query_alone() -> None:
    decide(response_mode="query")
    with pytest.raises(InvalidRequest, match="response_mode"):
        decide(response_mode="fragment")
