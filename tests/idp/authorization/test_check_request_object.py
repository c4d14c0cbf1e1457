from typing import Any

import pytest

from idp.authorization import AuthorizationRequest, Decision, Grant, check_pushed, run
from idp.errors import InvalidRequest, InvalidRequestUri, OAuthError, RequestNotSupported, RequestUriNotSupported
from idp.model import Profile, PushedRequest
from tests.idp.authorization.walk import INTERACTION, ask, decide
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import REDIRECT, START

KEYS = {"jwks": public_jwks()}
URN = "urn:ietf:params:oauth:request_uri:abc"
OTHER = "https://service.example/autre?a=1"


def _push(registered: dict[str, Any] | None = None, **parameters: str | None) -> AuthorizationRequest:
    asked = ask(loaded={"session": None, "account": None, "pushing": True}, registered=registered, **parameters)
    check_pushed(asked)
    return asked


def _stored(asked: AuthorizationRequest) -> PushedRequest:
    return PushedRequest(request_hash="h", client_id="c", parameters=asked.parameters, expires_at=START)


def _granted(decision: Decision) -> Grant:
    assert isinstance(decision, Grant)
    return decision


@pytest.mark.spec("RFC9101-5", "RFC9101-6.3", "OIDCC-6.1")
def test_a_signed_object_counts_alone_whatever_stands_beside_it() -> None:
    value = sign(request_claims("c", redirect_uri=OTHER))
    grant = _granted(decide(registered=KEYS, request=value, state="added", nonce="added", scope="openid identity", max_age="0"))
    assert (grant.redirect_uri, grant.state, grant.nonce, grant.scope) == (OTHER, "signed-state", "signed-nonce", {"openid"})


@pytest.mark.spec("RFC9101-6.3")
def test_what_the_object_leaves_out_cannot_be_added_from_outside() -> None:
    for left_out in ("redirect_uri", "response_type", "code_challenge", "scope"):
        with pytest.raises(OAuthError, match=left_out):
            decide(registered=KEYS, request=sign(request_claims("c", **{left_out: None})))


@pytest.mark.spec("RFC9101-7", "RFC6749-4.1.2.1")
def test_what_is_wrong_with_an_object_goes_to_a_registered_address_or_is_a_page() -> None:
    for outer, told in ((REDIRECT, REDIRECT), ("https://evil.example/", None), (None, None)):
        asked = ask(registered=KEYS, request="not.an.object", redirect_uri=outer)
        with pytest.raises(OAuthError) as refused:
            run(asked)
        assert refused.value.error == "invalid_request_object"
        assert asked.redirect_uri == told


def test_a_signed_address_that_is_not_registered_is_a_page_even_with_a_good_one_outside() -> None:
    asked = ask(registered=KEYS, request=sign(request_claims("c", redirect_uri="https://evil.example/")))
    with pytest.raises(InvalidRequest, match="redirect_uri") as refused:
        run(asked)
    assert (refused.value.allow_redirect, asked.redirect_uri) == (False, None)


@pytest.mark.spec("OIDCC-3.1.2.6", "OIDCC-6.1")
def test_an_object_of_a_client_without_keys_is_refused_rather_than_ignored() -> None:
    with pytest.raises(RequestNotSupported):
        decide(request="eyJhbGciOiJub25lIn0.e30.")


@pytest.mark.spec("OIDCC-6.2", "RFC9101-10.4")
@pytest.mark.parametrize("request_uri", ["https://169.254.169.254/", "http://127.0.0.1/", "file:///etc/passwd", "urn:x", "URN" + URN[3:]])
def test_no_address_is_ever_fetched(request_uri: str) -> None:
    with pytest.raises(RequestUriNotSupported):
        decide(request_uri=request_uri)


@pytest.mark.spec("RFC9126-4")
def test_a_pushed_request_counts_alone() -> None:
    pushed = _stored(ask(state="pushed"))
    assert _granted(decide(loaded={"pushed": pushed}, request_uri=URN, state="added", redirect_uri=None)).state == "pushed"
    with pytest.raises(InvalidRequestUri):
        decide(request_uri=URN)
    with pytest.raises(InvalidRequest, match="exclude each other"):
        decide(registered=KEYS, loaded={"pushed": pushed}, request_uri=URN, request=sign(request_claims("c")))


@pytest.mark.spec("RFC9126-2.1")
def test_a_request_uri_cannot_be_pushed() -> None:
    with pytest.raises(InvalidRequest, match="cannot be pushed"):
        _push(request_uri=URN)


@pytest.mark.spec("RFC9126-3", "FAPI2MS-5.3.1")
def test_an_object_may_be_pushed() -> None:
    asked = _push(KEYS, request=sign(request_claims("c", jti="once")), state="added")
    assert asked.get("state") == "signed-state"
    assert asked.get("request") is None
    assert asked.object_id is not None
    assert asked.object_id.jti == "once"


@pytest.mark.spec("RFC9126-5", "RFC9126-6", "FAPI2SP-5.3.2.2")
@pytest.mark.parametrize(
    "registered", [{"require_pushed_authorization_requests": True}, {"profile": Profile.FAPI2}, {"quirks": {"par_required": True}}]
)
def test_a_client_that_must_push_may_do_nothing_else(registered: dict[str, Any]) -> None:
    keyed = {**KEYS, **registered}
    for parameters in ({}, {"request": sign(request_claims("c"))}):
        with pytest.raises(InvalidRequest, match="must push"):
            decide(registered=keyed, **parameters)
    pushed = _stored(_push(keyed))
    assert isinstance(decide(registered=keyed, loaded={"pushed": pushed}, request_uri=URN), Grant)
    assert isinstance(decide(registered=keyed, loaded={"interaction": INTERACTION}), Grant)


@pytest.mark.spec("RFC9101-10.5")
def test_a_client_that_must_sign_may_do_nothing_else() -> None:
    keyed = {**KEYS, "require_signed_request_object": True}
    for ask_plainly in (decide, _push):
        with pytest.raises(InvalidRequest, match="must sign"):
            ask_plainly(registered=keyed)  # type: ignore[operator]
    assert isinstance(decide(registered=keyed, request=sign(request_claims("c"))), Grant)


def test_a_value_that_would_fill_the_store_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="state is longer"):
        decide(state="s" * 2049)
    with pytest.raises(InvalidRequest, match="state is longer"):
        decide(registered=KEYS, request=sign(request_claims("c", state="s" * 2049)))


FETCHED = "https://service.example/demande.jwt"


@pytest.mark.spec("OIDCC-6.2", "RFC9101-5.2")
def test_an_object_at_a_registered_address_counts_as_if_it_had_come_along() -> None:
    registered = {**KEYS, "request_uris": (FETCHED,)}
    loaded = {"fetched_object": sign(request_claims("c"))}
    assert _granted(decide(registered=registered, loaded=loaded, request_uri=FETCHED, state="added")).state == "signed-state"


@pytest.mark.spec("OIDCC-3.1.2.6", "OIDCC-6.2.2", "RFC9101-10.4.1")
def test_another_address_is_refused_and_one_that_cannot_be_read_is_said() -> None:
    registered = {**KEYS, "request_uris": (FETCHED,)}
    with pytest.raises(RequestUriNotSupported, match="registered"):
        decide(registered=registered, request_uri="https://evil.example/demande.jwt")
    with pytest.raises(InvalidRequestUri, match="cannot be read"):
        decide(registered=registered, request_uri=FETCHED)
    with pytest.raises(InvalidRequest, match="exclude each other"):
        decide(registered=registered, request_uri=FETCHED, request=sign(request_claims("c")))
    with pytest.raises(InvalidRequest, match="cannot be pushed"):
        _push(registered, request_uri=FETCHED)
    with pytest.raises(InvalidRequest, match="must push"):
        decide(registered={**registered, "require_pushed_authorization_requests": True}, request_uri=FETCHED)
