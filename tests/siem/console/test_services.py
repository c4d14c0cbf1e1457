from siem.console.services import Provider


def test_the_scheme_of_the_console_decides_on_secure_cookies() -> None:
    assert Provider("https://idp.example", "c", "s", "https://veille.example").secure
    assert not Provider("http://127.0.0.1:8800", "c", "s", "http://127.0.0.1:8900").secure
