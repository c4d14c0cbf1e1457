import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization.check_dpop_key import check_dpop_key
from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest
from tests.idp.wire import ISSUER, START


def _check(value: str | None) -> None:
    parameters = {} if value is None else {"dpop_jkt": value}
    check_dpop_key(AuthorizationRequest(parameters=parameters, now=START, issuer=ISSUER, found_client=None, best_acr="eidas2"))


@pytest.mark.spec("RFC9449-10")
def test_a_thumbprint_or_none_passes() -> None:
    _check(None)
    _check("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")


@pytest.mark.spec("RFC9449-10")
@given(st.text(min_size=1).filter(lambda text: not re.fullmatch(r"[A-Za-z0-9_-]{43}", text)))
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="dpop_jkt"):
        _check(value)
