"""The document that lists the redirect URIs of a sector (OpenID Connect Core §8.1), read once, when a client is registered."""

from typing import Final

import orjson

from idp.errors import OperationError
from idp.model import Client
from idp.outbound import Outbound

#: One text for every fault, so that nobody learns from here what answers at an address of their choice.
_FAULT: Final = "sector_identifier_uri: cannot be read, or is not a JSON array that holds every one of redirect_uris"


async def check_sector_document(client: Client, outbound: Outbound) -> None:
    """Raise ValueError unless the document at ``sector_identifier_uri`` lists every redirect URI of the client."""
    if client.sector_identifier_uri is None:
        return
    try:
        document = orjson.loads(await outbound.get(client.sector_identifier_uri, accept="application/json"))
    except (OperationError, orjson.JSONDecodeError) as error:
        raise ValueError(_FAULT) from error
    listed = [uri for uri in document if isinstance(uri, str)] if isinstance(document, list) else []
    if not set(client.redirect_uris) <= set(listed):
        raise ValueError(_FAULT)
