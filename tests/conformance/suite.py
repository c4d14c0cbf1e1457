"""What the suite's relying party is: a client held to OpenID Connect alone, without PKCE, and a browser that may log in again."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

from idp.model import Client, Profile
from tests.conformance.foundation.plan import PLAIN
from tests.idp.wire import BASE, REDIRECT, Wire, client, query_of


def suite_client(client_id: str, **members: Any) -> Client:
    """A client as the suite configures it."""
    made = client(client_id, profile=Profile.PSC, id_token_signed_response_alg="RS256", scope=frozenset({"openid", "profile"}))
    return replace(made, **{"quirks": PLAIN, **members})


class Suite:
    """The relying party of one plan; ``mode`` is how it wants its answers."""

    def __init__(self, wire: Wire, mode: str = "query") -> None:
        self.wire, self.mode = wire, mode
        self.register(suite_client("suite"))
        self.register(suite_client("second"))
        self.register(suite_client("posting", token_endpoint_auth_method="client_secret_post"))

    def register(self, registered: Client) -> None:
        self.wire.call(lambda provider: provider.store.clients.put(registered))

    def ask(self, *, cookie: str = "", client_id: str = "suite", **parameters: str | None) -> Any:
        """The authorization request of a module."""
        mode = None if self.mode == "query" else self.mode
        plain = {"code_challenge": None, "code_challenge_method": None, "response_mode": mode}
        return self.wire.authorize(client_id, cookie=cookie, **{**plain, **parameters})

    def answer(self, response: Any) -> dict[str, str]:
        """What the callback gets."""
        if self.mode == "query":
            assert response.status_code == 303, response.text
            assert response.headers["location"].startswith(REDIRECT)
            return query_of(response)
        assert response.status_code == 200, response.text
        assert re.search(r'<form[^>]* method="post"[^>]* action="([^"]+)"', response.text)
        return dict(map(unescape, pair) for pair in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.text))

    def tokens(
        self, *, cookie: str = "", client_id: str = "suite", redirect_uri: str = REDIRECT, **parameters: str | None
    ) -> dict[str, Any]:
        """A whole flow; the token response."""
        told = self.answer(self.ask(cookie=cookie or self.wire.log_in(), client_id=client_id, redirect_uri=redirect_uri, **parameters))
        response = self.redeem(told["code"], client_id, redirect_uri)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def redeem(self, code: str, client_id: str = "suite", redirect_uri: str = REDIRECT) -> Any:
        return self.wire.post("token", client_id, grant_type="authorization_code", code=code, redirect_uri=redirect_uri)

    def log_in_again(self, response: Any, name: str) -> Any:
        """What happens after the login page: a new session, and back to the stored request."""
        interaction_id = response.headers["location"].rsplit("/", 1)[1]
        [cookie] = [line for line in response.headers.get_list("set-cookie") if line.startswith("veilleur_idp_login=")]
        session = self.wire.log_in(name)

        async def prove(provider: Any) -> None:
            interaction = await provider.store.interactions.get(interaction_id, provider.clock())
            await provider.store.interactions.put(replace(interaction, authenticated_at=provider.clock()))

        self.wire.call(prove)
        self.wire.http.cookies.clear()
        headers = {"Cookie": f"{session}; {cookie.partition(';')[0]}"}
        return self.wire.http.get(f"{BASE}/auth/resume/{interaction_id}", headers=headers, follow_redirects=False)
