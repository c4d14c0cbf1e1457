import pytest

from idp.errors import LoginRequired
from tests.idp.authorization.walk import decide


@pytest.mark.spec("OIDCC-3.1.2.6")
@pytest.mark.parametrize("given", [{"loaded": {"session": None, "account": None}}, {"max_age": "0"}], ids=str)
def test_prompt_none_answers_login_required_instead_of_showing_a_screen(given: dict[str, object]) -> None:
    with pytest.raises(LoginRequired):
        decide(prompt="none", **given)
