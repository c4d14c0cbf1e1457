"""What a request proves of its sender, as HTTP carries it: the ``DPoP`` header, and the names of the endpoint it is made for."""

from datetime import datetime

from starlette.requests import Request

from idp.model import Client
from idp.profiles import rules_of
from idp.provider import Provider
from idp.tokens.dpop import Nonces


def proof_header(request: Request) -> str | None:
    """The ``DPoP`` header; two of them make one that cannot be read (RFC 9449 §4.3, 1)."""
    return ",".join(request.headers.getlist("dpop")) or None


def urls(request: Request, provider: Provider) -> frozenset[str]:
    """The names under which discovery announces this very endpoint; never what the ``Host`` header says."""
    return frozenset({f"{provider.base_url}{request.scope['path']}"})


def nonces(provider: Provider) -> Nonces:
    """The maker of server nonces."""
    return Nonces(provider.keys.pepper("dpop-nonce"))


def nonce_header(provider: Provider, client: Client, proof: str | None, now: datetime) -> dict[str, str]:
    """The nonce that the next proof should hold (RFC 9449 §8.2), for a client that needs one."""
    if proof is None or not rules_of(client).dpop_nonce_required:
        return {}
    return {"DPoP-Nonce": nonces(provider).current(now)}
