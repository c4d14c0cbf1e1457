from ipaddress import ip_network

import pytest

from idp.authentication.places import Place, Places
from idp.endpoints.devices_seen import device_name, place_name

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "named"),
    [
        (CHROME, "Chrome sur Windows"),
        (f"{CHROME} Edg/140.0", "Edge sur Windows"),
        (SAFARI, "Safari sur iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox sur Linux"),
        ("Firefox", "Firefox"),
        ("LogicielDuCabinet/3.2", "LogicielDuCabinet/3.2"),
        ("x" * 300, "x" * 60),
        ("\u202e\n\x00abc", "abc"),
        ("", "Navigateur inconnu"),
    ],
)
def test_a_browser_has_the_name_that_people_know(user_agent: str, named: str) -> None:
    assert device_name(user_agent, "{browser} sur {system}", "Navigateur inconnu") == named


def test_a_place_is_named_as_far_as_it_is_known() -> None:
    places = Places({ip_network("192.0.2.0/24"): Place("Rennes", "FR"), ip_network("198.51.100.0/24"): Place("", "BR")})
    assert [place_name(places, address, "inconnu") for address in ("192.0.2.1", "198.51.100.1", "203.0.113.1", "")] == [
        "Rennes, FR",
        "BR",
        "inconnu",
        "inconnu",
    ]
