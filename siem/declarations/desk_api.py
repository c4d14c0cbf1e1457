"""The desk over HTTP: POST a declaration, GET its receipts, GET the published key.

    POST /guichet/v1/declarations             Authorization: ApiKey …, application/json → 201 (200 when it was there) and the receipt
    GET  /guichet/v1/recepisses/{number}      Authorization: ApiKey … → {"recepisses": [receipt, …]}
    GET  /guichet/v1/jwks.json                the keys of receipts, public

A receipt is ``{number, received_at, sha256, declaration_id, version_number, jws}``; a refusal is
``{"error", "message", "errors": [{"field", "problem"}]}``.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from siem.declarations.desk import Conflict, Desk
from siem.declarations.documents import rfc3339
from siem.declarations.inspection import Unacceptable
from siem.declarations.model import Receipt

LARGEST_BODY_BYTES: Final = 1_000_000


def desk_routes(desk: Desk, api_keys: Mapping[str, str]) -> list[Route]:
    """The routes of the desk. ``api_keys``: sender's name → SHA-256 (hexadecimal) of its API key."""

    async def post(request: Request) -> JSONResponse:
        sender = sender_of(request.headers.get("authorization", ""), api_keys)
        return _no_key() if sender is None else await _receive(desk, request, sender)

    async def get(request: Request) -> JSONResponse:
        sender = sender_of(request.headers.get("authorization", ""), api_keys)
        if sender is None:
            return _no_key()
        receipts = await run_in_threadpool(desk.receipts, request.path_params["number"], sender)
        if not receipts:
            return _refusal(404, "not_found", "Aucune déclaration sous ce numéro.")
        return JSONResponse({"recepisses": [receipt_json(receipt) for receipt in receipts]}, headers={"cache-control": "no-store"})

    async def jwks(request: Request) -> JSONResponse:
        return JSONResponse(desk.jwks(), headers={"cache-control": "public, max-age=300"}, media_type="application/jwk-set+json")

    return [
        Route("/guichet/v1/declarations", post, methods=["POST"]),
        Route("/guichet/v1/recepisses/{number}", get, methods=["GET"]),
        Route("/guichet/v1/jwks.json", jwks, methods=["GET"]),
    ]


async def _receive(desk: Desk, request: Request, sender: str) -> JSONResponse:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _refusal(415, "unsupported_media_type", "application/json est attendu.")
    body = await _body(request)
    if body is None:
        return _refusal(413, "too_large", f"{LARGEST_BODY_BYTES} octets au plus.")
    try:
        receipt, new = await run_in_threadpool(desk.receive, body, sender)
    except Unacceptable as error:
        faults = [{"field": fault.field, "problem": fault.problem} for fault in error.faults]
        return _refusal(422, "invalid_declaration", "La déclaration n’est pas recevable.", faults)
    except Conflict as error:
        return _refusal(409, "version_conflict", str(error))
    return JSONResponse(receipt_json(receipt), status_code=201 if new else 200, headers={"cache-control": "no-store"})


def _no_key() -> JSONResponse:
    return _refusal(401, "unauthorized", "Une clé d’API de ce guichet est attendue (Authorization: ApiKey …).")


def sender_of(authorization: str, api_keys: Mapping[str, str]) -> str | None:
    """The sender that this ``ApiKey …`` header belongs to; every key is compared, in constant time."""
    scheme, _, key = authorization.partition(" ")
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    matching = [name for name, expected in api_keys.items() if hmac.compare_digest(expected.lower(), digest)]
    return matching[0] if scheme.lower() == "apikey" and key.strip() and matching else None


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > LARGEST_BODY_BYTES:
            return None
    return bytes(chunks)


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt as the desk answers it."""
    return {
        "number": receipt.number,
        "received_at": rfc3339(receipt.received_at),
        "sha256": receipt.sha256,
        "declaration_id": receipt.declaration_id,
        "version_number": receipt.version_number,
        "jws": receipt.jws,
    }


def _refusal(status: int, error: str, message: str, faults: list[dict[str, str]] | None = None) -> JSONResponse:
    headers = {"cache-control": "no-store"} | ({"www-authenticate": 'ApiKey realm="guichet"'} if status == 401 else {})
    return JSONResponse({"error": error, "message": message, "errors": faults or []}, status_code=status, headers=headers)
