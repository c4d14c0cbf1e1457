from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization import Grant
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


APP = {
    "application_type": "native",
    "token_endpoint_auth_method": "none",
    "redirect_uris": ("http://127.0.0.1/cb?a=1", "http://[::1]:8080/cb"),
}


@pytest.mark.spec("RFC8252-7.3", "RFC9700-2.1")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@given(port=st.none() | st.integers(1, 65_535))
def test_an_app_of_this_machine_listens_at_whatever_port_it_was_given(host: str, port: int | None) -> None:
    uri = f"http://{host}{'' if port is None else f':{port}'}/cb{'?a=1' if host == '127.0.0.1' else ''}"
    decision = decide(redirect_uri=uri, registered=APP)
    assert isinstance(decision, Grant)
    assert decision.redirect_uri == uri


@pytest.mark.spec("RFC8252-7.3", "RFC8252-8.3")
@pytest.mark.parametrize(
    "changes",
    [
        {"application_type": "web"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"redirect_uris": ("http://localhost/cb?a=1",)},
        {"redirect_uris": ("https://127.0.0.1/cb?a=1",)},
        {"redirect_uris": ("http://127.0.0.1/cb",)},
    ],
    ids=str,
)
def test_every_other_client_keeps_to_the_port_that_it_registered(changes: dict[str, Any]) -> None:
    for uri in ("http://127.0.0.1:51004/cb?a=1", "http://localhost:51004/cb?a=1"):
        with pytest.raises(InvalidRequest, match="registered"):
            decide(redirect_uri=uri, registered={**APP, **changes})
