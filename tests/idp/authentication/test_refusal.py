from idp.authentication.refusal import AuthenticationRefused


def test_keeps_what_is_told_apart_from_what_is_logged() -> None:
    refusal = AuthenticationRefused("invalid_pin", "wrong PIN", status=403, remaining=2)
    assert (refusal.error, refusal.status, refusal.remaining, refusal.retry_after_seconds) == ("invalid_pin", 403, 2, None)
    assert str(refusal) == "invalid_pin: wrong PIN"
