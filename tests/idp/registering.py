"""A provider that clients may register at, the tokens for it, and what they publish."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from idp.model import InitialAccessToken, Profile
from tests.idp.served import Site, serving
from tests.idp.wire import ISSUER, REDIRECT, START, Wire, running

ENDPOINT = f"{ISSUER}/clients-registrations/openid-connect"
INITIAL = "i" * 43


class Registrar:
    """The provider's registration endpoint, a site of the client, and the secrets of what was registered."""

    def __init__(self, wire: Wire, site: Site) -> None:
        self.wire, self.site = wire, site
        self._count = count()

    def grant(self, value: str = INITIAL, **members: Any) -> None:
        """An initial access token."""
        token = InitialAccessToken(
            token_hash=hashlib.sha256(value.encode()).hexdigest(),
            label="éditeur",
            scope=frozenset({"openid", "profile", "identity"}),
            grant_types=("authorization_code", "refresh_token"),
            profile=Profile.BASELINE,
            structure_name="Centre hospitalier d’Exemple",
            structure_finess="0B0000005",
            use_count=1,
            created_at=START,
            expires_at=START + timedelta(hours=1),
        )
        self.wire.call(lambda provider: provider.store.clients.put_initial_token(replace(token, **members)))

    def send(self, method: str, url: str, token: str | None, document: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.wire.http.request(method, url, json=document, headers=headers)

    def register(self, token: str | None = INITIAL, **members: Any) -> Any:
        """The answer to a registration; a member given as None is left out."""
        sent = {"redirect_uris": [REDIRECT], "client_name": "Service neuf", **members}
        return self.send("POST", ENDPOINT, token, {name: value for name, value in sent.items() if value is not None})

    def registered(self, **members: Any) -> dict[str, Any]:
        """A registration that succeeds, with a token of its own."""
        value = f"token-{next(self._count)}"
        self.grant(value)
        answer = self.register(value, **members)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body


@contextmanager
def registering(folder: Path, **settings: Any) -> Iterator[Registrar]:
    chosen = {"client_registration": True, "outbound_loopback": True, **settings}
    with running(folder, **chosen) as wire, serving() as site:
        yield Registrar(wire, site)
