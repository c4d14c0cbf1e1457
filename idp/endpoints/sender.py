"""What a request proves of its sender, as HTTP carries it: the ``DPoP`` header, and the names of the endpoint it is made for."""

from collections.abc import Mapping
from datetime import datetime

from starlette.requests import Request

from idp.errors import InvalidClient
from idp.http import header
from idp.model import Client
from idp.profiles import rules_of
from idp.provider import Provider
from idp.tokens.certificate import Certificate, read_certificate
from idp.tokens.dpop import Nonces, ProofExpectation, check_proof


def proof_header(request: Request) -> str | None:
    """The ``DPoP`` header; two of them make one that cannot be read (RFC 9449 §4.3, 1)."""
    return b",".join([value for name, value in request.scope["headers"] if name == b"dpop"]).decode("latin-1") or None


def urls(request: Request, provider: Provider) -> frozenset[str]:
    """The names under which discovery announces this very endpoint; never what the ``Host`` header says."""
    path = request.scope["path"]
    return frozenset({f"{base}{path}" for base in (provider.base_url, provider.issuer_url, provider.mtls_base_url) if base})


def certificate_of(request: Request, provider: Provider) -> Certificate | None:
    """The certificate of the connection's client, if a trusted proxy says that there is one."""
    forwarded = provider.certificates(request)
    if forwarded is None:
        return None
    try:
        return read_certificate(forwarded.value, verified=forwarded.verified)
    except ValueError as error:
        raise InvalidClient(
            "the client certificate cannot be read: the proxy must hand it on as PEM in percent-encoding, or by RFC 9440", detail=str(error)
        ) from error


async def prove_client(request: Request, provider: Provider, form: Mapping[str, str]) -> Client:
    """The client that asks, by whatever method it registered; raises as :meth:`idp.client_auth.Authenticator.authenticate`."""
    return await provider.clients.authenticate(
        header(request, b"authorization"),
        form,
        source_ip=provider.sources(request),
        now=provider.clock(),
        certificate=certificate_of(request, provider),
    )


def nonces(provider: Provider) -> Nonces:
    """The maker of server nonces."""
    return Nonces(provider.keys.pepper("dpop-nonce"))


def nonce_header(provider: Provider, client: Client, proof: str | None, now: datetime) -> dict[str, str]:
    """The nonce that the next proof should hold (RFC 9449 §8.2), for a client that needs one."""
    if proof is None or not rules_of(client).dpop_nonce_required:
        return {}
    return {"DPoP-Nonce": nonces(provider).current(now)}


async def prove_key(request: Request, provider: Provider, client: Client, now: datetime) -> str | None:
    """The thumbprint of the key that the ``DPoP`` header proves at this very endpoint; None without one.

    Raises as :func:`idp.tokens.dpop.check_proof`.
    """
    proof = proof_header(request)
    if proof is None:
        return None
    wanted = nonces(provider) if rules_of(client).dpop_nonce_required else None
    expected = ProofExpectation(method=request.method, urls=urls(request, provider), now=now, nonces=wanted)
    return await check_proof(proof, expected, provider.store.counters)
