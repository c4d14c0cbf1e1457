from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.wire import Wire, running

PROXY = "192.0.2.200"


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Wire]:
    """A provider behind a proxy that hands client certificates on; every connection comes from it."""
    headers = {"client_certificate_header": "X-Client-Cert", "client_certificate_verify_header": "X-Client-Verify"}
    with running(tmp_path, peer=PROXY, trusted_proxies=(f"{PROXY}/32",), **headers) as started:
        yield started


@pytest.fixture
def spoofed(tmp_path: Path) -> Iterator[Wire]:
    """The same provider, reached by somebody who is not the proxy."""
    headers = {"client_certificate_header": "X-Client-Cert", "client_certificate_verify_header": "X-Client-Verify"}
    with running(tmp_path, peer="192.0.2.66", trusted_proxies=(f"{PROXY}/32",), **headers) as started:
        yield started
