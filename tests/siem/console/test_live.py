import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.requests import Request

from siem.access import Principal, Role
from siem.console import live, sessions, users
from siem.console.language import load
from siem.console.routing import Router
from siem.console.templating import environment
from siem.console.visit import Visit
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, DIRECTOR, World, users_file


def _visit(world: World, person: Principal) -> Visit:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/flux",
        "headers": [(b"cookie", f"veilleur_console={world.session(person)}".encode())],
        "query_string": b"",
        "server": ("testserver", 80),
        "scheme": "http",
    }
    return Router(world.services, environment(), load()).visit(Request(scope))


async def _lines(visit: Visit, turns: int) -> list[str]:
    return [line async for line in live.events(visit, 0, turns)]


def test_tells_the_counters_at_the_start_and_at_each_change_only(world: World, incident: Incident) -> None:
    async def watch() -> list[str]:
        said = []
        async for line in live.events(_visit(world, ANALYST), 0, 4):
            said.append(line)
            if len(said) == 2:
                world.incidents.acknowledge([alert.id for alert in world.incidents.alerts(ANALYST, AlertFilter()).items], ANALYST)
        return said

    said = asyncio.run(watch())
    assert [line for line in said if "event:" in line] == [
        'event: compteurs\ndata: {"alertes": 6, "incidents": 1}\n\n',
        'event: compteurs\ndata: {"alertes": 0, "incidents": 1}\n\n',
    ]


def test_who_may_not_read_alerts_is_told_of_none(world: World, incident: Incident) -> None:
    assert 'data: {"alertes": 0, "incidents": 1}' in "".join(asyncio.run(_lines(_visit(world, DIRECTOR), 1)))


def _log_out(world: World, _folder: Path) -> None:
    with world.database.transaction() as connection:
        sessions.end_of(connection, ANALYST.subject)


def _grant_to_others_only(world: World, folder: Path) -> None:
    users.apply(world.database, users_file(folder, [DIRECTOR]))


def _grant_less(world: World, folder: Path) -> None:
    users.apply(world.database, users_file(folder, [Principal(ANALYST.subject, ANALYST.name, frozenset({Role.AUDITEUR}))]))


@pytest.mark.parametrize("withdraw", [_log_out, _grant_to_others_only, _grant_less])
def test_an_open_stream_ends_with_the_session_and_with_the_roles(
    world: World, tmp_path: Path, withdraw: Callable[[World, Path], None]
) -> None:
    async def watch() -> list[str]:
        said = []
        async for line in live.events(_visit(world, ANALYST), 0, 1000):
            said.append(line)
            if len(said) == 2:
                withdraw(world, tmp_path)
        return said

    assert len(asyncio.run(watch())) == 2


def test_the_stream_ends_when_the_watch_stops(world: World) -> None:
    object.__setattr__(world.services, "closing", lambda: True)
    assert asyncio.run(_lines(_visit(world, ANALYST), 1000)) == ["retry: 3000\n\n"]


def test_it_is_an_event_stream_that_nobody_buffers(world: World) -> None:
    object.__setattr__(world.services, "closing", lambda: True)
    answer = world.client(ANALYST).get("/flux")
    assert answer.headers["content-type"].startswith("text/event-stream") and answer.headers["x-accel-buffering"] == "no"
