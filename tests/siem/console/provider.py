"""A small OpenID Provider on this machine: an independent peer for the console's login, with every answer open to tampering."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey


@dataclass
class Peer:
    """What the provider knows and what it has been asked. ``spoil`` changes the claims of the ID token before they are signed."""

    clock: Callable[[], datetime]
    client_id: str = "veilleur-console"
    client_secret: str = "secret-of-the-console"
    subject: str = "899700000011"
    spoil: Callable[[dict[str, Any]], None] = lambda claims: None
    userinfo_sub: str = "f:1:899700000011"
    other_key: bool = False
    discovered_issuer: str = ""
    #: Added to what the provider publishes about itself; and its keys, where they are to be others.
    metadata: dict[str, Any] = field(default_factory=dict)
    published: Any = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"}))
    stranger: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"}))
    issuer: str = ""

    def authorize(self, location: str) -> dict[str, str]:
        """What the person's browser would bring back: the query of the redirection, after a successful login."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint: client by basic authentication, code once, PKCE S256."""
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if [unquote(part) for part in given.split(":", 1)] != [self.client_id, self.client_secret]:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            self.refusals.append("invalid_grant")
            return 400, {"error": "invalid_grant"}
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "f:1:899700000011",
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
        }
        self.spoil(claims)
        signed = jwt.encode({"alg": "ES256", "kid": "one"}, claims, self.stranger if self.other_key else self.key)
        return 200, {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": signed}


class Provider:
    """The peer behind a port of its own; ``close`` stops it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.peer = Peer(clock)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.peer))
        self.peer.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/realm"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.endswith("/.well-known/openid-configuration"):
                issuer = peer.issuer
                self._answer(
                    200,
                    {
                        "issuer": peer.discovered_issuer or issuer,
                        "authorization_endpoint": f"{issuer}/auth",
                        "token_endpoint": f"{issuer}/token",
                        "userinfo_endpoint": f"{issuer}/userinfo",
                        "jwks_uri": f"{issuer}/certs",
                        "end_session_endpoint": f"{issuer}/logout",
                        **peer.metadata,
                    },
                )
            elif path.endswith("/certs"):
                self._answer(200, {"keys": [peer.key.as_dict(private=False)]} if peer.published is None else peer.published)
            elif path.endswith("/userinfo") and self.headers["authorization"] == "Bearer at":
                self._answer(
                    200, {"sub": peer.userinfo_sub, "SubjectNameID": peer.subject, "given_name": "Claire", "family_name": "Martin-Essai"}
                )
            else:
                self._answer(401, {"error": "invalid_token"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*peer.token(form, self.headers["authorization"] or ""))

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: the test says what matters."""

    return Handler
