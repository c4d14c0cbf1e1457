"""A receiver of security events: its token, its stream, and what it reads with an implementation that is not ours."""

from typing import Any

import jwt

from tests.idp.wire import CONNECT, ISSUER, Wire, client

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"


class Receiver:
    """One client with scopes of Shared Signals."""

    def __init__(self, wire: Wire, client_id: str = "receiver", scope: str = "ssf.manage ssf.all_subjects", **members: Any) -> None:
        self._wire, self.client_id = wire, client_id
        grants = ("client_credentials", "authorization_code")
        registered = client(client_id, grant_types=grants, scope=frozenset({"openid", *scope.split()}), **members)
        wire.call(lambda provider: provider.store.clients.put(registered))
        self.token = wire.post("token", client_id, grant_type="client_credentials", scope=scope).json()["access_token"]

    def send(self, method: str, path: str, document: Any = None, **params: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self._wire.http.request(method, f"/ssf/v1/{path}", json=document, params=params, headers=headers)

    def stream(self, **document: Any) -> dict[str, Any]:
        answer = self.send("POST", "stream", document)
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def poll(self, stream: dict[str, Any], **document: Any) -> dict[str, Any]:
        answer = self._wire.http.post(
            stream["delivery"]["endpoint_url"],
            json={"returnImmediately": True, **document},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a security event token, verified."""
        header = jwt.get_unverified_header(token)
        assert (header["typ"], header["alg"]) == ("secevent+jwt", "RS256")
        keys = self._wire.http.get(f"{CONNECT}/certs").json()["keys"]
        key = jwt.PyJWK(next(key for key in keys if key["kid"] == header["kid"]))
        said: dict[str, Any] = jwt.decode(
            token, key, algorithms=["RS256"], audience=self.client_id, issuer=ISSUER, options={"verify_iat": False}
        )
        return said
