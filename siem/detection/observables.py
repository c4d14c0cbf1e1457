"""What the value of a field says for the comparison with indicators: an address, a host, a URL in one form, hashes.

The same forms are given to the values of indicators when they are loaded, so that equal things are equal texts.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
#: MD5, SHA-1, SHA-256, SHA-512; a field may hold several, such as ``MD5=…,SHA256=…``.
_HASHES: Final = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})(?![0-9a-f])")
_DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: A longer text is no name of a host.
_MAX_HOST: Final = 2_000


def address_of(text: str) -> Address | None:
    """The address a text is; an IPv4 address written as IPv6 is the IPv4 address."""
    try:
        found = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def domain_of(text: str) -> str | None:
    """A domain name in its one form: small letters, ``xn--`` labels, no dot at the end. None where it is none."""
    name = text.strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    return name if _DOMAIN.fullmatch(name) else None


def host_of(text: str) -> str:
    """The host that a URL, or a host with or without port, names; empty where none is."""
    if not text or text[0] == "/" or len(text) > _MAX_HOST * 4:
        return ""
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return (domain_of(host) or host.rstrip(".")) if len(host) <= _MAX_HOST else ""


def url_of(text: str) -> str | None:
    """A URL in its one form: scheme and host in small letters, no usual port, no fragment, a path. None where it has no scheme or host."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return None
    name = domain_of(host) or host
    shown = f"[{name}]" if ":" in name else name
    if port is not None and port != _PORTS.get(parts.scheme):
        shown += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{shown}{parts.path or '/'}{query}"


def hashes_of(text: str) -> list[str]:
    """The hashes in a text, in small letters."""
    return _HASHES.findall(text.lower())
