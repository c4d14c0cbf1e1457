import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import InvalidRequest
from tests.idp.authorization.walk import decide
from tests.idp.wire import REDIRECT

MUTATIONS = [
    REDIRECT + "/",
    REDIRECT + "?",
    REDIRECT + "#",
    REDIRECT + "?x=1",
    REDIRECT + "%2f",
    REDIRECT + "/../evil",
    REDIRECT.upper(),
    REDIRECT.replace("https", "http"),
    REDIRECT.replace("https", "HTTPS"),
    REDIRECT.replace("service.example", "Service.example"),
    REDIRECT.replace("service.example", "service.example:443"),
    REDIRECT.replace("service.example", "service.example."),
    REDIRECT.replace("service.example", "service.example@evil.example"),
    REDIRECT.replace("service.example", "evil.example#service.example"),
    REDIRECT.replace("service.example", "evil.example\\@service.example"),
    REDIRECT.replace("service.example", "a.service.example"),
    REDIRECT.replace("/retour", "/retour\n"),
    REDIRECT.replace("/retour", "//retour"),
    REDIRECT.replace("/retour", "/%72etour"),
    REDIRECT.replace("/retour", "/%2572etour"),
    " " + REDIRECT,
    REDIRECT + " ",
    REDIRECT + "\t",
    REDIRECT + "\x00",
    "//service.example/retour",
    "/retour",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://service.example/autre",
    "https://service.example/autre?a=1&b=2",
    "https://service.example/autre?a=%31",
    "*",
]


@pytest.mark.spec("RFC9700-2.1", "OIDCC-3.1.2.1")
@pytest.mark.parametrize("redirect_uri", MUTATIONS)
def test_anything_but_a_registered_uri_is_refused_without_redirect(redirect_uri: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decide(redirect_uri=redirect_uri)
    assert not refused.value.allow_redirect


@pytest.mark.spec("RFC9700-2.1")
@given(st.text(max_size=60))
def test_no_text_but_the_registered_one_passes(text: str) -> None:
    if text != REDIRECT:
        with pytest.raises(InvalidRequest):
            decide(redirect_uri=text)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_it_is_demanded_even_when_only_one_is_registered() -> None:
    with pytest.raises(InvalidRequest, match="missing"):
        decide(redirect_uri=None, registered={"redirect_uris": (REDIRECT,)})
