from datetime import timedelta

import jwt

from idp.tokens.handles import new_handle
from tests.idp.wire import START


def test_a_handle_is_never_the_same_and_has_the_strength_of_a_key() -> None:
    assert len({new_handle() for _ in range(100)}) == 100
    assert len(new_handle()) == 43


def test_one_with_claims_reads_as_a_jwt_whose_signature_is_the_secret() -> None:
    claims = {"typ": "Refresh", "azp": "service"}
    made = [new_handle(claims, "https://idp.example", START, timedelta(minutes=30)) for _ in range(2)]
    header, told = jwt.get_unverified_header(made[0]), jwt.decode(made[0], options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    assert told.items() >= {"iss": "https://idp.example", "aud": "https://idp.example", "typ": "Refresh"}.items()
    assert told["exp"] - told["iat"] == 1800
    assert made[0].rsplit(".", 1)[1] != made[1].rsplit(".", 1)[1]
    assert len(made[0].rsplit(".", 1)[1]) == 43
