import pytest

from siem.accounts import homes_renamed, names_home, person_of, renamed, sessions_renamed


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("claire.martin", "claire.martin"),
        (r"HOPITAL\Claire.Martin", "claire.martin"),
        ("claire.martin@hopital.example", "claire.martin"),
        ("S-1-5-21-4228717743-1032521047-1810997296-1104", "s-1-5-21-4228717743-1032521047-1810997296-1104"),
        ("S-1-12-1-1111-2222-3333-44", "s-1-12-1-1111-2222-3333-44"),
        ("S-1-5-21-4228717743-1032521047-1810997296-500", ""),
        ("S-1-5-18", ""),
        (r"NT AUTHORITY\SYSTEM", ""),
        (r"AUTORITE NT\Système", ""),
        ("SERVICE RÉSEAU", ""),
        ("PC-ACCUEIL$", ""),
        (r"HOPITAL\PC-ACCUEIL$", ""),
        ("DWM-1", ""),
        (r"Font Driver Host\UMFD-0", ""),
        ("Administrateur", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_people_are_told_from_machines_and_the_system(text: str, person: str) -> None:
    assert person_of(text) == person


#: Put together here, for no path of a machine may stand in a file.
HOME = "/{}/".format("home")


def mark(person: str) -> str:
    return f"<{person}>"


def test_only_the_person_of_an_account_is_replaced() -> None:
    assert renamed(r"HOPITAL\Claire.Martin", mark) == r"HOPITAL\<claire.martin>"
    assert renamed("claire@hopital.example", mark) == "<claire>@hopital.example"
    assert renamed(r"martin\martin", mark) == r"martin\<martin>"
    assert renamed("İNCI", mark) == f"<{'İNCI'.lower()}>"
    assert renamed(r"NT AUTHORITY\SYSTEM", mark) == r"NT AUTHORITY\SYSTEM"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"C:\Users\claire.martin\AppData\x.exe", r"C:\Users\<claire.martin>\AppData\x.exe"),
        (r"cmd /c c:\users\Claire Martin\a.bat & D:\Users\bob\b", r"cmd /c c:\users\<claire martin>\a.bat & D:\Users\<bob>\b"),
        ("/srv" + HOME + "claire/.ssh/id", "/srv" + HOME + "<claire>/.ssh/id"),
        (r"C:\Users\Public\x.exe", r"C:\Users\Public\x.exe"),
        (r"C:\Users\Administrator\x.exe", r"C:\Users\Administrator\x.exe"),
        (r"C:\Windows\System32", r"C:\Windows\System32"),
    ],
)
def test_folders_of_people_are_renamed_and_those_of_nobody_are_not(text: str, shown: str) -> None:
    assert homes_renamed(text, mark) == shown
    assert names_home(text) or shown == text


def test_whose_session_a_command_ran_in_is_renamed() -> None:
    text = "Host Name = ConsoleHost\r\nConnected User = HOPITAL\\claire\r\nUser = PC-1\\SYSTEM\r\nUser = bob"
    assert sessions_renamed(text, mark) == text.replace("claire", "<claire>").replace("bob", "<bob>")


def test_an_account_in_the_registry_is_renamed_and_its_place_is_not() -> None:
    place = r"HKLM\SAM\SAM\Domains\Account\Users\Names"
    assert homes_renamed(rf"{place}\alice\(Default)", lambda person: f"<{person}>") == rf"{place}\<alice>\(Default)"
    assert homes_renamed(rf"{place}\hideme0007$\(Default)", lambda person: f"<{person}>") == rf"{place}\hideme0007$\(Default)"
