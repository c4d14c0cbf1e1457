import base64
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.client_auth.client_secret_basic import present
from idp.errors import InvalidClient

_secrets = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)


def _header(raw: bytes) -> str:
    return f"Basic {base64.b64encode(raw).decode()}"


@pytest.mark.spec("RFC6749-2.3.1", "RFC7617-2")
@given(_secrets.filter(bool), _secrets)
def test_any_identifier_and_secret_come_through_form_encoding(client_id: str, secret: str) -> None:
    presented = present(_header(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()), {})
    assert presented is not None
    assert (presented.client_id, presented.proof) == (client_id, secret)


@pytest.mark.parametrize(
    "header", ["Basic ***", _header(b"no colon"), _header(b":secret"), _header(b"\xff:x"), _header(b"%ff:x"), "Basic ", "Basic \xe9"]
)
def test_credentials_that_cannot_be_read_are_refused(header: str) -> None:
    with pytest.raises(InvalidClient):
        present(header, {})


@pytest.mark.parametrize("header", ["", "Bearer x", "Basics x"])
def test_another_scheme_is_not_ours(header: str) -> None:
    assert present(header, {}) is None
