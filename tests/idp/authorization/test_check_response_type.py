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


@pytest.mark.spec("JARM-2.3", "OAUTHFPM-2")
@pytest.mark.parametrize("response_mode", ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"])
def test_the_answer_may_come_in_each_mode_that_is_offered(response_mode: str) -> None:
    decide(response_mode=response_mode)


@pytest.mark.spec("JARM-2.3.2")
@pytest.mark.parametrize("response_mode", ["fragment", "fragment.jwt", "web_message", "Query", "JWT"])
def test_a_code_never_travels_in_a_fragment_nor_in_a_mode_that_is_not_defined(response_mode: str) -> None:
    with pytest.raises(InvalidRequest, match="response_mode must be one of"):
        decide(response_mode=response_mode)
