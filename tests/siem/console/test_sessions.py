from datetime import timedelta

import pytest
from sqlalchemy import select

from siem.console import sessions
from siem.console.sessions import LOGINS, SESSIONS, Lifetimes, Login
from tests.siem.console.world import ANALYST, NOW, World

LIVES = Lifetimes(idle=timedelta(minutes=30), age=timedelta(hours=4))


def test_the_cookies_value_is_stored_nowhere(world: World) -> None:
    token = world.session(ANALYST)
    with world.database.reading() as connection:
        row = connection.execute(select(SESSIONS)).one()
        assert token not in str(row) and sessions.find(connection, token, NOW, LIVES) is not None


@pytest.mark.parametrize("late", [LIVES.idle + timedelta(seconds=1), LIVES.age + timedelta(seconds=1)])
def test_a_session_ends_idle_or_old(world: World, late: timedelta) -> None:
    token = world.session(ANALYST)
    with world.database.transaction() as connection:
        session = sessions.find(connection, token, NOW, LIVES)
        assert session is not None
        if late > LIVES.idle + timedelta(seconds=1):
            sessions.touch(connection, session, NOW + late)  # in use until the end: its age ends it
        assert sessions.find(connection, token, NOW + late, LIVES) is None


def test_use_is_written_at_most_once_a_minute(world: World) -> None:
    token = world.session(ANALYST)
    with world.database.reading() as connection:
        session = sessions.find(connection, token, NOW, LIVES)
    assert session is not None
    assert not sessions.is_stale(session, NOW + timedelta(seconds=59)) and sessions.is_stale(session, NOW + timedelta(minutes=1))


def test_ending_one_session_leaves_the_persons_others(world: World) -> None:
    first, second = world.session(ANALYST), world.session(ANALYST)
    with world.database.transaction() as connection:
        sessions.end(connection, sessions.digest(first))
        assert sessions.find(connection, first, NOW, LIVES) is None and sessions.find(connection, second, NOW, LIVES) is not None
        sessions.end_of(connection, ANALYST.subject)
        assert sessions.find(connection, second, NOW, LIVES) is None


def test_a_login_works_once_in_its_own_browser_and_in_time(world: World) -> None:
    login = Login("nonce", "verifier", "/alertes")
    with world.database.transaction() as connection:
        sessions.remember_login(connection, "state", "browser", login, NOW + timedelta(minutes=10))
        assert sessions.take_login(connection, "state", "another", NOW) is None
        assert sessions.take_login(connection, "state", "browser", NOW) == login
        assert sessions.take_login(connection, "state", "browser", NOW) is None
        sessions.remember_login(connection, "late", "browser", login, NOW)
        assert sessions.take_login(connection, "late", "browser", NOW + timedelta(seconds=1)) is None


def test_the_sweep_drops_what_has_ended_only(world: World) -> None:
    token = world.session(ANALYST)
    with world.database.transaction() as connection:
        sessions.remember_login(connection, "state", "browser", Login("n", "v", "/"), NOW)
        sessions.sweep(connection, NOW + timedelta(seconds=1), LIVES)
        assert sessions.find(connection, token, NOW, LIVES) is not None and connection.execute(select(LOGINS)).all() == []
        sessions.sweep(connection, NOW + LIVES.age, LIVES)
        assert connection.execute(select(SESSIONS)).all() == []


def test_a_notice_is_shown_on_the_next_page_and_then_gone(world: World) -> None:
    browser = world.client(ANALYST)
    with world.database.transaction() as connection:
        session = sessions.find(connection, browser.cookies["veilleur_console"], NOW, LIVES)
        assert session is not None
        sessions.notify(connection, session, "3 alertes acquittées.")
    assert "3 alertes acquittées." in browser.get("/alertes").text
    assert "3 alertes acquittées." not in browser.get("/alertes").text
