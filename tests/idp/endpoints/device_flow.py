"""Devices without browser that ask for a person, in a provider with phones."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idp.model import Client, Profile
from tests.idp.endpoints.backchannel_flow import CONNECT, service
from tests.idp.endpoints.login_flow import CAMILLE, SECRET, Browser, Phone, Provider, csrf_of, running_provider

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class Devices:
    """What a device does, and the person in front of it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def register(self, client: Client) -> None:
        self.provider.call(self.provider.state.store.clients.put(client))

    def post(self, path: str, client_id: str, /, address: str = "203.0.113.7", **form: str | None) -> Any:
        sent = {name: value for name, value in form.items() if value is not None}
        auth = None if client_id == "screen" else (client_id, SECRET)
        if auth is None:
            sent["client_id"] = client_id
        headers = {"X-Forwarded-For": address, "User-Agent": "Ecran-de-salle/1.0"}
        return self.provider.client.post(f"{CONNECT}/{path}", data=sent, auth=auth, headers=headers)

    def ask(self, client_id: str = "screen", /, **changed: str | None) -> Any:
        return self.post("auth/device", client_id, **{"scope": "openid identity", **changed})

    def poll(self, device_code: str, client_id: str = "screen") -> Any:
        return self.post("token", client_id, grant_type=DEVICE_CODE, device_code=device_code)

    def warned(self, browser: Browser, user_code: str) -> str:
        """Type the code; the path of the warning."""
        form = {"csrf": csrf_of(browser.get("/device").text), "user_code": user_code}
        answer = browser.request("POST", "/device", data=form)
        assert answer.status_code == 303, answer.text
        return urlsplit(answer.headers["location"]).path

    def decide(self, browser: Browser, page: str, decision: str) -> Any:
        shown = browser.get(page).text
        yes = re.search(r'name="yes" value="([0-9a-f]{64})"', shown)
        form = {"csrf": csrf_of(shown), "decision": decision, **({"yes": yes[1]} if yes else {})}
        return browser.request("POST", page, data=form)

    def logged_in(self, browser: Browser, page: str, phone: Phone, national_id: str = CAMILLE) -> Any:
        """Past the warning and through the login; the last page."""
        login = urlsplit(self.decide(browser, page, "continue").headers["location"]).path
        browser.identify(login, national_id)
        code = browser.code(login)
        [question] = phone.questions()
        assert phone.answer(question, "approve", code).json() == {"state": "approved"}
        entered = browser.wait(login)
        assert entered.status_code == 303, entered.text
        return browser.get(urlsplit(entered.headers["location"]).path)


@contextmanager
def running_devices(folder: Path, **settings: Any) -> Iterator[Devices]:
    with running_provider(folder, **settings) as provider:
        devices = Devices(provider)
        screen = replace(
            service("screen"),
            client_name="Écran de salle",
            profile=Profile.BASELINE,
            grant_types=(DEVICE_CODE, "refresh_token"),
            scope=frozenset({"openid", "identity"}),
            token_endpoint_auth_method="none",
            client_secret_hash=None,
            id_token_signed_response_alg="ES256",
        )
        devices.register(screen)
        secret = service("secret").client_secret_hash
        rival = replace(screen, client_id="rival", token_endpoint_auth_method="client_secret_basic", client_secret_hash=secret)
        devices.register(rival)
        devices.register(replace(rival, client_id="browser-only", grant_types=("authorization_code",)))
        yield devices
