"""A telephone for the player: it holds a real P-256 key and signs what it says, as the phone application does."""

import base64
import hashlib
import json
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from deploy.demo.wire import Browser


def b64u(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Phone:
    """One enrolled device, seen at ``address`` by the provider (a mobile network's, as a rule)."""

    def __init__(self, base_url: str, activation_code: str, pin: str, name: str, address: str = "198.51.100.200") -> None:
        self._browser = Browser(address, user_agent="Veilleur-demo-phone/1.0 (Linux; Android 16)")
        self._base_url = base_url
        self._pin = pin
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": b64u(numbers.x.to_bytes(32)), "y": b64u(numbers.y.to_bytes(32))}
        answer = self._browser.send_json(
            "POST", f"{base_url}/phone/api/devices", {"activation_code": activation_code, "name": name, "public_jwk": jwk, "pin": pin}
        )
        self.device_id: str = answer.expect(201).json()["device_id"]

    def approvals(self, now: float) -> list[dict[str, Any]]:
        """The questions that wait; ``now`` in Unix seconds of the provider's clock."""
        answer = self._signed("GET", "/phone/api/approvals", b"", now)
        found: list[dict[str, Any]] = answer.expect(200).json()["approvals"]
        return found

    def answer(self, approval: dict[str, Any], decision: str, now: float, *, code: str = "") -> str:
        """Approve (with the code read in the browser), deny or report one question; returns the state it got."""
        document = {"decision": decision, "pin": self._pin, "challenge": approval["challenge"]}
        if approval["choices"]:  # a login that a service asked for shows its message instead
            document["choice"] = code if code in approval["choices"] else approval["choices"][0]
        answer = self._signed("POST", f"/phone/api/approvals/{approval['id']}", json.dumps(document).encode(), now)
        state: str = answer.expect(200).json()["state"]
        return state

    def _signed(self, method: str, path: str, body: bytes, now: float) -> Any:
        url = f"{self._base_url}{path}"
        header = {"alg": "ES256", "typ": "veilleur-device+jwt", "kid": self.device_id}
        payload = {
            "htm": method,
            "htu": url,
            "iat": int(now),
            "jti": secrets.token_urlsafe(16),
            "body_sha256": b64u(hashlib.sha256(body).digest()),
        }
        signing_input = f"{b64u(json.dumps(header).encode())}.{b64u(json.dumps(payload).encode())}"
        r, s = decode_dss_signature(self._key.sign(signing_input.encode(), ec.ECDSA(SHA256())))
        jws = f"{signing_input}.{b64u(r.to_bytes(32) + s.to_bytes(32))}"
        headers = {"Authorization": f"Device {jws}"}
        if body:
            headers["Content-Type"] = "application/json"
        return self._browser.request(method, url, body=body or None, headers=headers)


def wall() -> float:
    """Unix seconds, for a provider that follows the wall clock."""
    return time.time()
