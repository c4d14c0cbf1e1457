"""Resource indicators (RFC 8707): which resource servers an access token is for."""

from idp.errors import InvalidTarget
from idp.model import Client, Grant


def asked_resources(client: Client, asked: str | None, *, issuer: str) -> frozenset[str]:
    """The values of ``resource``, parted by spaces, within what the client registered; ourselves are always among that.

    Raises :class:`InvalidTarget`.
    """
    wanted = frozenset((asked or "").split())
    excess = wanted - {*client.resources, issuer}
    if excess:
        raise InvalidTarget("resource must be one that this client registered", detail=f"resource {min(excess)[:200]!r}")
    return wanted


def spoken_resources(client: Client, grant: Grant, asked: str | None, *, issuer: str) -> frozenset[str]:
    """What one access token is for (§2.2): what was granted, or the part of it that the token request names."""
    granted = grant.resources
    wanted = asked_resources(client, asked, issuer=issuer)
    if granted and not wanted <= granted:
        raise InvalidTarget("the grant is not for that resource: name one that the login asked for")
    return wanted or granted


def audience_of(resources: frozenset[str], *, issuer: str) -> str | list[str]:
    """The ``aud`` claim (RFC 9068 §3): ourselves where no other resource was asked for."""
    named = sorted(resources)
    return named if len(named) > 1 else named[0] if named else issuer
