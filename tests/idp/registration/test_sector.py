import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from idp.outbound import Outbound
from idp.registration.sector import check_sector_document
from tests.idp.served import Site, serving
from tests.idp.wire import client

ONE, TWO = "https://a.example/retour", "https://b.example/retour"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as started:
        yield started


def _check(uri: str | None, *, loopback: bool = True) -> None:
    registered = client("c", redirect_uris=(ONE, TWO), sector_identifier_uri=uri)
    asyncio.run(check_sector_document(registered, Outbound(allow_loopback=loopback)))


@pytest.mark.spec("OIDCC-8.1", "OIDCR-5")
def test_a_document_that_lists_every_redirect_uri_is_right(site: Site) -> None:
    _check(None)
    _check(site.put("/sector", [TWO, "https://c.example/", ONE]))


@pytest.mark.spec("OIDCC-8.1", "OIDCR-5")
@pytest.mark.parametrize("document", [[ONE], [], {"redirect_uris": [ONE, TWO]}, f"{ONE} {TWO}", b"<html>", [[ONE, TWO]]])
def test_any_other_is_refused_in_the_same_words(site: Site, document: Any) -> None:
    with pytest.raises(ValueError, match="sector_identifier_uri: cannot be read, or is not") as refused:
        _check(site.put("/sector", document))
    with pytest.raises(ValueError) as absent:
        _check(f"{site.base}/absent")
    with pytest.raises(ValueError) as private:
        _check(f"{site.base}/sector", loopback=False)
    assert str(refused.value) == str(absent.value) == str(private.value)
