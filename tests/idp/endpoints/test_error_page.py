from tests.idp.wire import BASE, Wire


def test_the_page_speaks_the_reader_s_language_and_names_the_error_for_support(wire: Wire) -> None:
    french = wire.http.get(f"{BASE}/auth", params={"client_id": "x"}, headers={"Accept-Language": "fr"})
    english = wire.http.get(f"{BASE}/auth", params={"client_id": "x"}, headers={"Accept-Language": "en"})
    assert '<html lang="fr"' in french.text
    assert '<html lang="en"' in english.text
    assert "invalid_request" in french.text
    assert "this service is not registered here" in french.text


def test_the_page_shows_the_reference_under_which_the_log_and_the_audit_log_know_it(wire: Wire) -> None:
    answer = wire.http.get(f"{BASE}/auth", params={"client_id": "x"})
    reference = answer.headers["x-request-id"]
    assert f"<code>{reference}</code>" in answer.text
    assert wire.events()[-1]["trace.id"] == reference
