import pytest

from idp.errors import InvalidRequest, RequestNotSupported, RequestUriNotSupported
from tests.idp.authorization.walk import decide


@pytest.mark.spec("OIDCC-3.1.2.6", "OIDCC-6.1", "OIDCC-6.2")
def test_request_objects_are_refused_rather_than_ignored() -> None:
    with pytest.raises(RequestNotSupported):
        decide(request="eyJhbGciOiJub25lIn0.e30.")
    with pytest.raises(RequestUriNotSupported):
        decide(request_uri="https://169.254.169.254/")


def test_a_value_that_would_fill_the_store_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="state is longer"):
        decide(state="s" * 2049)
