"""Certificates of IGC Santé name their structure in one place, and leave the rest of the subject free."""

from typing import Any

import pytest

from idp.registration import RegistrationError, parse_client
from tests.idp.certificates import Issued
from tests.idp.wire import CONNECT, START, Wire, client

STRUCTURE = "10B0000005"
GOOD = f"CN=api.hopital.example,OU={STRUCTURE},O=Centre hospitalier,C=FR"


def _ask(proxied: Wire, subject: str, *, verified: str = "SUCCESS") -> Any:
    headers = {"X-Client-Cert": Issued(subject, START).escaped, "X-Client-Verify": verified}
    form = {"grant_type": "client_credentials", "client_id": "hospital"}
    return proxied.http.post(f"{CONNECT}/token", data=form, headers=headers)


@pytest.mark.spec("PSC-8.1", "RFC8705-2.1")
def test_a_client_is_the_structure_of_its_certificate_whatever_its_common_name(proxied: Wire) -> None:
    members: dict[str, Any] = {"grant_types": ("client_credentials",), "scope": frozenset({"drugs:read"}), "client_secret_hash": None}
    members |= {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_ou": STRUCTURE}
    proxied.call(lambda provider: provider.store.clients.put(client("hospital", **members)))
    assert _ask(proxied, GOOD).status_code == 200
    assert _ask(proxied, GOOD.replace("api", "other")).status_code == 200
    wrong = (GOOD.replace(STRUCTURE, "10B0000006"), f"CN={STRUCTURE},O=Autre,C=FR", f"CN=x,OU=10B0000006+OU={STRUCTURE},C=FR")
    for subject in wrong:
        answer = _ask(proxied, subject)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert _ask(proxied, GOOD, verified="NONE").status_code == 401


def test_a_structure_goes_with_no_second_name() -> None:
    entry = {"client_id": "c", "client_name": "C", "redirect_uris": ["https://s.example/"], "token_endpoint_auth_method": "tls_client_auth"}
    assert parse_client({**entry, "tls_client_auth_subject_ou": STRUCTURE}, "x").tls_client_auth_subject_ou == STRUCTURE
    with pytest.raises(RegistrationError, match="exactly one of"):
        parse_client({**entry, "tls_client_auth_subject_ou": STRUCTURE, "tls_client_auth_san_dns": "s.example"}, "x")
