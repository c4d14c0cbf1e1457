"""The JWK set (RFC 7517 §5): prebuilt bytes of the key ring."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.provider import provider_of

#: Relying parties may keep it an hour: a new key is published a day before it signs.
_CACHE = {"cache-control": "public, max-age=3600", "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}


async def jwks(request: Request) -> Response:
    """GET."""
    return Response(provider_of(request).keys.jwks(), headers=_CACHE, media_type="application/json")


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/certs", jwks, methods=["GET"])]
