from dataclasses import replace
from typing import Any

import pytest

from idp.authorization import AskConsent, Grant
from idp.authorization.require_consent import wanted_consent
from idp.errors import ConsentRequired
from tests.idp.authorization.walk import INTERACTION, decide
from tests.idp.wire import PERSON, REDIRECT, START, client

BY_ITSELF = {"registered_at": START}


def _given(scope: str = "openid", **members: Any) -> dict[str, Any]:
    registered = client("c", **{**BY_ITSELF, **members})
    return {"consent": wanted_consent(registered, PERSON.id, {"scope": scope, "redirect_uri": REDIRECT}, START)}


@pytest.mark.spec("OIDCC-3.1.2.4", "RFC7591-5")
def test_a_service_that_registered_itself_is_shown_once_to_each_person() -> None:
    assert isinstance(decide(registered=BY_ITSELF), AskConsent)
    assert isinstance(decide(registered=BY_ITSELF, loaded=_given()), Grant)
    assert isinstance(decide(), Grant), "the operator's registration is the consent"


@pytest.mark.spec("OIDCC-3.1.2.4")
@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        (_given(client_name="Autre nom"), {}),
        (_given(), {"scope": "openid profile"}),
        (_given(), {"claims": '{"userinfo": {"name": null}}'}),
        (_given(), {"redirect_uri": "https://autre.example/retour"}),
    ],
    ids=["another name", "more scope", "single claims", "another place"],
)
def test_what_was_not_shown_is_asked_anew(given: dict[str, Any], parameters: dict[str, str]) -> None:
    registered = {**BY_ITSELF, "redirect_uris": (REDIRECT, "https://autre.example/retour")}
    assert isinstance(decide(registered=registered, loaded=given, **parameters), AskConsent)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_prompt_consent_shows_every_service_each_time() -> None:
    assert isinstance(decide(prompt="consent"), AskConsent)
    agreed = replace(INTERACTION, consented_account_id=PERSON.id)
    assert isinstance(decide(prompt="consent", loaded={"interaction": agreed}), Grant)
    another = replace(INTERACTION, consented_account_id="somebody else")
    assert isinstance(decide(prompt="consent", loaded={"interaction": another}), AskConsent)


@pytest.mark.spec("OIDCC-3.1.2.6")
def test_without_a_page_nobody_agrees() -> None:
    with pytest.raises(ConsentRequired):
        decide(registered=BY_ITSELF, prompt="none")
