"""Services that ask for a person by themselves, in a provider with phones."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from idp.model import Client, Profile
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, SECRET, Phone, Provider, running_provider

CIBA = "urn:openid:params:grant-type:ciba"
CONNECT = f"{BASE_URL}/auth/realms/esante-wallet/protocol/openid-connect"


def service(client_id: str, **members: Any) -> Client:
    made = Client(
        client_id=client_id,
        client_name=client_id.title(),
        profile=Profile.PSC,
        redirect_uris=("https://service.example/retour",),
        grant_types=(CIBA, "refresh_token"),
        scope=frozenset({"openid", "scope_all"}),
        client_secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
        id_token_signed_response_alg="RS256",
    )
    return replace(made, **members)


class Services:
    """What a service does; ``provider`` is the running one."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def register(self, client: Client) -> None:
        self.provider.call(self.provider.state.store.clients.put(client))

    def ask(self, client_id: str = "lps", /, **changed: str | None) -> Any:
        form = {
            "scope": "openid scope_all",
            "acr_values": "eidas1",
            "login_hint": CAMILLE,
            "binding_message": "00",
            "channel": "MOBILE",
            **changed,
        }
        return self.post("ext/ciba/auth", client_id, **form)

    def post(self, path: str, client_id: str, /, **form: str | None) -> Any:
        sent = {name: value for name, value in form.items() if value is not None}
        return self.provider.client.post(f"{CONNECT}/{path}", data=sent, auth=(client_id, SECRET))

    def poll(self, auth_req_id: str, client_id: str = "lps") -> Any:
        return self.post("token", client_id, grant_type=CIBA, auth_req_id=auth_req_id)

    def approve(self, phone: Phone) -> None:
        [question] = phone.questions()
        assert phone.answer(question, "approve").json() == {"state": "approved"}

    def log_in(self, phone: Phone, client_id: str = "lps") -> dict[str, Any]:
        """A whole login; the token response."""
        auth_req_id = self.ask(client_id).json()["auth_req_id"]
        self.approve(phone)
        answer = self.poll(auth_req_id, client_id)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@contextmanager
def running_services(folder: Path, **settings: Any) -> Iterator[Services]:
    with running_provider(folder, **settings) as provider:
        services = Services(provider)
        services.register(service("lps"))
        services.register(service("rival"))
        services.register(service("browser-only", grant_types=("authorization_code",)))
        services.register(service("told", quirks={"unknown_user_id_shown": True, "binding_message_required": False}))
        services.register(service("public", token_endpoint_auth_method="none", client_secret_hash=None))
        services.register(service("plain", profile=Profile.BASELINE, id_token_signed_response_alg="ES256"))
        yield services
