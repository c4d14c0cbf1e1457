from tests.siem.console.world import ANALYST, World, csrf


def test_what_is_chosen_is_kept_and_the_rest_stays(world: World) -> None:
    browser = world.client(ANALYST)
    token = csrf(browser.get("/preferences").text)
    saved = browser.post(
        "/preferences", data={"csrf": token, "theme": "dark", "densite": "compact", "raccourcis": "non", "retour": "/regles"}
    )
    assert saved.headers["location"] == "/regles" and "HttpOnly" in saved.headers["set-cookie"]
    browser.post("/preferences", data={"csrf": token, "langue": "en"})
    page = browser.get("/regles").text
    assert '<html lang="en" data-theme="dark" data-density="compact" data-shortcuts="off">' in page and "6 active rules" in page


def test_a_value_that_is_none_of_ours_is_ignored(world: World) -> None:
    browser = world.client(ANALYST)
    browser.post(
        "/preferences",
        data={"csrf": csrf(browser.get("/preferences").text), "theme": '"><script>', "langue": "xx", "retour": "//evil.example"},
    )
    page = browser.get("/preferences").text
    assert 'lang="fr" data-theme="auto"' in page and "<script>" not in page


def test_a_link_switches_the_language_where_nobody_is_logged_in(world: World) -> None:
    assert "You are logged out" in world.client().get("/deconnexion?langue=en").text
