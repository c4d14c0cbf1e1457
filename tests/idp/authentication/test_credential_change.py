import pytest

from idp.authentication.credential_change import credential_change
from idp.model import Device, Initiator, SignalKind
from tests.idp.store.exam import NOW


@pytest.mark.spec("CAEP-3.3")
def test_a_phone_is_told_of_as_an_application_s_key_by_the_name_its_person_gave_it() -> None:
    device = Device(id="d", account_id="a", name="Téléphone", public_jwk={}, pin_mac="", enrolled_at=NOW)
    signal = credential_change(device, "create", Initiator.USER, "a phone was enrolled", NOW)
    assert (signal.kind, signal.account_id, signal.at) == (SignalKind.CREDENTIAL_CHANGED, "a", NOW)
    assert signal.details == {"credential_type": "app", "change_type": "create", "friendly_name": "Téléphone"}
