import pytest

from siem.detection.nearest import meant, nearest

KNOWN = ("CommandLine", "ParentImage", "param1", "user.id", "source.ip", "DestinationPort")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("commandline", "CommandLine"),
        ("Command_Line", "CommandLine"),
        ("CommnadLine", "CommandLine"),
        ("userId", "user.id"),
        ("source.ips", "source.ip"),
        ("DestinatonPort", "DestinationPort"),
        ("param2", None),
        ("Image", None),
        ("", None),
        ("C" * 10_000_000, None),
    ],
    ids=["case", "separator", "exchanged", "both", "more", "missing", "digits", "part", "empty", "endless"],
)
def test_a_slip_is_told_from_another_name(name: str, near: str | None) -> None:
    assert nearest(name, KNOWN) == near
    assert meant(name, KNOWN) == (f"; is «{near}» meant?" if near else "")
