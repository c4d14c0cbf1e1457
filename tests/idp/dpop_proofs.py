"""A client's key and its DPoP proofs, made by PyJWT: another implementation than the one that reads them."""

import base64
import hashlib
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.idp.wire import CONNECT, SECRET, VERIFIER, Wire

TOKEN = f"{CONNECT}/token"
USERINFO = f"{CONNECT}/userinfo"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class ClientKey:
    """A P-256 key; every proof has a ``jti`` of its own."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.jwk: dict[str, Any] = {
            name: value
            for name, value in json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key())).items()
            if name in ("kty", "crv", "x", "y")
        }
        self.jkt = b64(hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest())
        self._count = 0

    def proof(
        self,
        wire: Wire,
        url: str = TOKEN,
        method: str = "POST",
        token: str | None = None,
        header: dict[str, Any] | None = None,
        alg: str = "ES256",
        key: Any = None,
        **claims: Any,
    ) -> str:
        """A sound proof, with ``header`` and ``claims`` laid over it (None leaves a claim out)."""
        self._count += 1
        said = {"htm": method, "htu": url, "iat": int(wire.wall().timestamp()), "jti": f"{self.jkt}-{self._count}"}
        if token is not None:
            said["ath"] = b64(hashlib.sha256(token.encode()).digest())
        said |= claims
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(kept, self.private if key is None else key, alg, {"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})})


def forged(header: dict[str, Any], payload: dict[str, Any], signature: bytes) -> str:
    """A JWS that no library would make."""
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(payload).encode()), b64(signature)])


def redeem(wire: Wire, code: str, proof: str | None, client_id: str = "baseline", **form: str) -> Any:
    """The token request for a code, with a proof."""
    return _post(wire, client_id, proof, grant_type="authorization_code", code=code, redirect_uri="https://service.example/retour", **form)


def refresh(wire: Wire, value: str, proof: str | None, client_id: str = "baseline") -> Any:
    """The token request for a refresh token, with a proof."""
    return _post(wire, client_id, proof, grant_type="refresh_token", refresh_token=value)


def _post(wire: Wire, client_id: str, proof: str | None, **form: str) -> Any:
    if form["grant_type"] == "authorization_code":
        form.setdefault("code_verifier", VERIFIER)
    public = client_id == "public"
    if public:
        form["client_id"] = client_id
    return wire.http.post(TOKEN, data=form, auth=None if public else (client_id, SECRET), headers={"DPoP": proof} if proof else {})


def userinfo(wire: Wire, token: str, proof: str | None, scheme: str = "DPoP") -> Any:
    """The userinfo request with a token and a proof."""
    return wire.http.get(USERINFO, headers={"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof else {})})
