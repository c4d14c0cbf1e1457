import pytest

from idp.authorization import Grant
from idp.errors import InvalidTarget
from tests.idp.authorization.walk import decide
from tests.idp.wire import ISSUER

API = {"resources": ("https://api.example/", "urn:example:dossier")}


@pytest.mark.spec("RFC8707-2", "RFC8707-2.1")
@pytest.mark.parametrize("resource", ["https://api.example/", "urn:example:dossier https://api.example/", ISSUER])
def test_registered_resources_and_ourselves_may_be_asked_for(resource: str) -> None:
    decision = decide(registered=API, resource=resource)
    assert isinstance(decision, Grant)
    assert decision.resources == set(resource.split())


@pytest.mark.spec("RFC8707-2")
@pytest.mark.parametrize("resource", ["https://evil.example/", "https://api.example", "https://api.example/#x", "urn:example:dossier x"])
def test_any_other_is_refused(resource: str) -> None:
    with pytest.raises(InvalidTarget):
        decide(registered=API, resource=resource)
    with pytest.raises(InvalidTarget):
        decide(resource="https://api.example/")
