"""The relying party of the FAPI 2.0 plans: it proves itself by assertion, pushes its requests (signed or not), and shows DPoP proofs."""

from dataclasses import replace
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from idp.endpoints.sender import nonces
from idp.model import Client, Profile
from tests.idp.dpop_proofs import TOKEN, USERINFO, ClientKey
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import BASE, CHALLENGE, CONNECT, ISSUER, REDIRECT, VERIFIER, Wire, claims_of, client

PUSH: Final = f"{CONNECT}/ext/par/request"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NUMBERS = count()


def fapi_client(client_id: str, **members: Any) -> Client:
    """A client held to FAPI 2.0; it registers an RSA key too, so that a signature with RS256 fails for its algorithm alone."""
    own = {"profile": Profile.FAPI2, "token_endpoint_auth_method": "private_key_jwt", "client_secret_hash": None}
    return replace(client(client_id, jwks=public_jwks("ES256", "RS256")), **{**own, **members})


class Fapi:
    """One client. ``signs``: its requests are signed and it wants signed answers (FAPI 2.0 Message Signing)."""

    def __init__(self, wire: Wire, client_id: str, *, signs: bool = False, **members: Any) -> None:
        self.wire, self.client_id, self.signs, self.key = wire, client_id, signs, ClientKey()
        registered = fapi_client(client_id, **{"require_signed_request_object": signs, **members})
        wire.call(lambda provider: provider.store.clients.put(registered))

    @property
    def at(self) -> int:
        return int(self.wire.wall().timestamp())

    def assertion(self, *, alg: str = "ES256", key: str = "", typ: str = "client-authentication+jwt", **changes: Any) -> dict[str, str]:
        """What proves the client; a claim given as None is left out."""
        said = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "iat": self.at,
            "exp": self.at + 60,
            "jti": f"a-{next(_NUMBERS)}",
            **changes,
        }
        kept = {name: value for name, value in said.items() if value is not None}
        return {"client_assertion_type": _ASSERTION, "client_assertion": sign(kept, alg=alg, key=key, typ=typ)}

    def proof(self, url: str = TOKEN, method: str = "POST", token: str | None = None, by: ClientKey | None = None, **given: Any) -> str:
        """A DPoP proof with the nonce of now."""
        nonce = nonces(self.wire.provider).current(self.wire.provider.clock())
        return (by or self.key).proof(self.wire, url, method, token, **{"nonce": nonce, **given})

    def request_object(self, *, alg: str = "ES256", key: str = "", **changes: Any) -> str:
        """The authorization request, signed."""
        times = {"iat": self.at, "nbf": self.at, "exp": self.at + 60}
        return sign(request_claims(self.client_id, **{**times, "response_mode": "jwt", **changes}), alg=alg, key=key)

    def push(self, *, proof: str | None = None, assertion: dict[str, str] | None = None, request: str = "", **changes: Any) -> Any:
        """The pushed request, in the way of this client; ``request``: this object instead."""
        if self.signs:
            asked: dict[str, Any] = {"request": request or self.request_object(**changes)}
        else:
            plain = {"response_type": "code", "redirect_uri": REDIRECT, "scope": "openid", "state": "signed-state", "nonce": "signed-nonce"}
            asked = {**plain, "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes}
        form = {**asked, **(self.assertion() if assertion is None else assertion)}
        kept = {name: value for name, value in form.items() if value is not None}
        return self.wire.http.post(PUSH, data=kept, headers={"DPoP": proof} if proof else {})

    def bring(self, pushed: Any, *, cookie: str | None = None, **outer: str) -> Any:
        """What a browser, logged in unless told otherwise, gets for a pushed request."""
        assert pushed.status_code == 201, pushed.text
        query = {"client_id": self.client_id, "request_uri": pushed.json()["request_uri"], **outer}
        self.wire.http.cookies.clear()
        headers = {"Cookie": self.wire.log_in() if cookie is None else cookie}
        return self.wire.http.get(f"{BASE}/auth", params=query, headers=headers, follow_redirects=False)

    def answer(self, response: Any) -> dict[str, Any]:
        """What the callback gets, taken out of its signature if it has one."""
        assert response.status_code == 303, response.text
        assert response.headers["location"].startswith(REDIRECT)
        told = {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}
        return claims_of(told["response"]) if "response" in told else told

    def code(self, **given: Any) -> str:
        return str(self.answer(self.bring(self.push(**given)))["code"])

    def token(self, *, proof: str | None = "", assertion: dict[str, str] | None = None, **form: str | None) -> Any:
        """A token request; a proof of ours unless another, or None, is given."""
        sent = {**form, **(self.assertion() if assertion is None else assertion)}
        kept = {name: value for name, value in sent.items() if value is not None}
        shown = self.proof() if proof == "" else proof
        return self.wire.http.post(TOKEN, data=kept, headers={"DPoP": shown} if shown else {})

    def redeem(self, code: str, **given: Any) -> Any:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return self.token(**{**form, **given})

    def tokens(self, **given: Any) -> dict[str, Any]:
        """A whole login; the token response."""
        answer = self.redeem(self.code(**given))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def userinfo(self, token: str, *, proof: str | None = "", scheme: str = "DPoP") -> Any:
        shown = self.proof(USERINFO, "GET", token) if proof == "" else proof
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": shown} if shown else {})}
        return self.wire.http.get(USERINFO, headers=headers)


def refused(answer: Any, *errors: str) -> None:
    """An error answer with one of these."""
    assert answer.status_code in (400, 401), answer.text
    assert answer.json()["error"] in errors, answer.text
