"""The relying parties of the night: a patient record, a secure mail, an e-prescription service.

Each logs people in with an OpenID Connect code flow and keeps its own access log: nginx's combined format
in a file, or FHIR AuditEvents shipped over HTTP as a log shipper would, sent again until acknowledged.
"""

import base64
import hashlib
import json
import queue
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from deploy.demo.phone import b64u
from deploy.demo.wire import Browser, Refused

#: Address of the hospital's servers, from which services call the provider.
SERVICES_ADDRESS = "192.0.2.240"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(slots=True)
class Tokens:
    """What the service holds of a person's login."""

    access_token: str
    refresh_token: str
    id_token: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An authorization request under way."""

    state: str
    nonce: str
    verifier: str
    url: str


class AccessLog:
    """nginx's combined format, appended line by line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self.line_count = 0

    def write(self, at: datetime, address: str, user: str, request: str, status: int, size: int, user_agent: str) -> None:
        """One request served."""
        stamp = f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"
        self._file.write(f'{address} - {user or "-"} [{stamp}] "{request} HTTP/1.1" {status} {size} "-" "{user_agent}"\n')
        self.line_count += 1

    def close(self) -> None:
        """The service is shut down."""
        self._file.close()


class Shipper(threading.Thread):
    """Sends audit documents to the watch's ``_bulk`` endpoint in the order given, each batch until it is acknowledged.

    A batch is never changed between two tries, so that the watch can tell a repetition from a new document.
    """

    def __init__(self, url: str, source: str, api_key: str) -> None:
        super().__init__(name=f"shipper-{source}", daemon=True)
        self._url, self._source, self._api_key = url, source, api_key
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self.sent_count = 0
        self.failure: Refused | None = None
        self.start()

    def send(self, documents: list[dict[str, Any]]) -> None:
        """Hand over one batch."""
        create = json.dumps({"create": {"_index": self._source}})
        lines = [line for document in documents for line in (create, json.dumps(document, ensure_ascii=False))]
        self._queue.put(("\n".join(lines) + "\n").encode())
        self.sent_count += len(documents)

    def finish(self, timeout_seconds: float = 120) -> None:
        """Wait until everything is acknowledged."""
        self._queue.put(None)
        self.join(timeout_seconds)
        if self.failure is not None:
            raise self.failure
        if self.is_alive():
            raise Refused(f"{self._url}: audit documents are still not acknowledged after {timeout_seconds:.0f} s")

    def run(self) -> None:
        """Send until told to stop."""
        browser = Browser(user_agent="demo-shipper/1.0")
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"ApiKey {self._api_key}"}
        while (body := self._queue.get()) is not None:
            try:
                answer = browser.request("POST", f"{self._url}/_bulk", body=body, headers=headers, patience_seconds=60).expect(200)
                if answer.json()["errors"]:
                    raise Refused(f"{self._url}/_bulk refused documents: {answer.text()[:400]}")
            except Refused as failure:
                self.failure = failure
                return


class RelyingParty:
    """A service that delegates its login. ``issuer`` gives its endpoints by discovery, as any client does."""

    def __init__(
        self, client_id: str, secret: str, redirect_uri: str, scope: str, issuer: str, log: AccessLog, *, post: bool = False
    ) -> None:
        self.client_id, self._secret, self.redirect_uri, self.scope, self._post = client_id, secret, redirect_uri, scope, post
        self.log = log
        self._browser = Browser(SERVICES_ADDRESS, f"{client_id}/1.0")
        metadata = self._browser.get(f"{issuer}/.well-known/openid-configuration").expect(200).json()
        self._authorization_endpoint: str = metadata["authorization_endpoint"]
        self._token_endpoint: str = metadata["token_endpoint"]
        self._userinfo_endpoint: str = metadata["userinfo_endpoint"]
        self._end_session_endpoint: str = metadata["end_session_endpoint"]

    def begin(self) -> Pending:
        """Where to send the person's browser (authorization code with PKCE)."""
        state, nonce, verifier = secrets.token_urlsafe(16), secrets.token_hex(32), secrets.token_urlsafe(48)
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": state,
            "nonce": nonce,
            "acr_values": "eidas1",
            "code_challenge": b64u(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return Pending(state, nonce, verifier, f"{self._authorization_endpoint}?{urlencode(query)}")

    def complete(self, pending: Pending, callback: str) -> Tokens:
        """Exchange the code that came back, and look at who it is."""
        answer = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        if answer.get("state") != pending.state or "code" not in answer:
            raise Refused(f"{self.client_id}: the provider came back with {answer}")
        response = self._token(
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": self.redirect_uri,
                "code_verifier": pending.verifier,
            }
        )
        if response.status != 200:
            raise Refused(f"{self.client_id}: no tokens for the code: {response.text()}")
        tokens = self._tokens(response.json())
        claims = _payload(tokens.id_token)
        if claims["nonce"] != pending.nonce or claims["aud"] not in (self.client_id, [self.client_id]):
            raise Refused(f"{self.client_id}: the id_token is not for this login")
        tokens.session_id = claims["sid"]
        self.userinfo(tokens).expect(200)
        return tokens

    def userinfo(self, tokens: Tokens) -> Any:
        """Ask who the person is."""
        return self._browser.get(self._userinfo_endpoint, Authorization=f"Bearer {tokens.access_token}")

    def refresh(self, tokens: Tokens) -> bool:
        """Get new tokens; false when the provider refuses (the session was ended)."""
        response = self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token})
        if response.status != 200:
            return False
        fresh = self._tokens(response.json())
        tokens.access_token, tokens.refresh_token = fresh.access_token, fresh.refresh_token
        return True

    def logout_url(self, tokens: Tokens) -> str:
        """Where to send the person's browser to log out (RP-initiated logout)."""
        return f"{self._end_session_endpoint}?{urlencode({'id_token_hint': tokens.id_token, 'client_id': self.client_id})}"

    def _token(self, form: dict[str, str]) -> Any:
        if self._post:
            return self._browser.post_form(self._token_endpoint, {**form, "client_id": self.client_id, "client_secret": self._secret})
        basic = base64.b64encode(f"{self.client_id}:{self._secret}".encode()).decode()
        return self._browser.post_form(self._token_endpoint, form, Authorization=f"Basic {basic}")

    @staticmethod
    def _tokens(document: dict[str, Any]) -> Tokens:
        return Tokens(document["access_token"], document.get("refresh_token", ""), document.get("id_token", ""), "")


def _payload(jwt: str) -> dict[str, Any]:
    part = jwt.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def audit_event(
    at: datetime,
    national_id: str,
    address: str,
    patient: str,
    what: str,
    *,
    finess: str,
    session_id: str,
    purpose: str = "TREAT",
    count: int = 1,
) -> dict[str, Any]:
    """A FHIR R4 AuditEvent of the patient record. ``what``: read, search, export or break-glass."""
    dicom, restful = "http://dicom.nema.org/resources/ontology/DCM", "http://hl7.org/fhir/restful-interaction"
    kinds = {
        "read": ("110110", restful, "read", "R"),
        "search": ("110112", restful, "search-type", "E"),
        "export": ("110106", restful, "operation", "R"),
        "break-glass": ("110113", dicom, "110127", "E"),
    }
    code, subtype_system, subtype, action = kinds[what]
    entity: dict[str, Any] = {"what": {"identifier": {"system": "urn:oid:1.2.250.1.213.1.4.10", "value": patient}}, "role": {"code": "1"}}
    if count != 1:
        entity["detail"] = [{"type": "record-count", "valueString": str(count)}]
    return {
        "resourceType": "AuditEvent",
        "type": {"system": dicom, "code": code},
        "subtype": [{"system": subtype_system, "code": subtype}],
        "action": action,
        "recorded": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}]}],
        "agent": [
            {
                "who": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": national_id}},
                "requestor": True,
                "network": {"address": address, "type": "2"},
            }
        ],
        "source": {"observer": {"display": "dossier-patient", "identifier": {"system": "https://finess.esante.gouv.fr", "value": finess}}},
        "entity": [entity],
        "extension": [{"url": "https://veilleur.example/fhir/StructureDefinition/session-id", "valueString": session_id}],
    }
