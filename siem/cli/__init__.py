"""The command ``siem``: serve, replay, hunt, check rules and playbooks, load indicators, grant roles, look after what is kept.

One module per group of commands. Exit status: 0 all well, 1 findings (each with file, line and field), 2 wrong use or configuration.
"""

import logging
import sys

import typer

from siem.cli import (
    alarms,
    allowing,
    dead_letters,
    history,
    indicators,
    playbooks,
    replay,
    retention,
    rule_sets,
    rules,
    signals,
    sources,
    users,
)
from siem.cli.context import fail, settings
from siem.errors import DataError, OperationError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Veilleur’s watch.")
app.add_typer(rules.app, name="rules")
app.add_typer(playbooks.app, name="playbooks")
indicators.app.add_typer(allowing.app, name="allow")
app.add_typer(indicators.app, name="indicators")
app.add_typer(users.app, name="users")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(signals.app, name="signals")
app.add_typer(sources.app, name="sources")
app.add_typer(retention.app, name="retention")
app.command("replay")(replay.replay_files)
app.command("hunt")(history.hunt_rule)
rules.app.command("backtest")(history.backtest_rule)
rules.app.command("history")(history.rules_history)
rules.app.command("alarms")(alarms.rules_alarms)
rules.app.command("fields")(alarms.rules_fields)
rules.app.command("pull")(rule_sets.pull_set)
rules.app.command("sets")(rule_sets.list_sets)
rules.app.command("roll-back")(rule_sets.roll_set_back)
rules.app.command("remove")(rule_sets.remove_set)

#: Largest head (request line and headers) of a request, in bytes.
_HEAD_BYTES = 65_536


@app.command()
def serve() -> None:
    """Receive, detect and serve the console until interrupted."""
    import uvicorn

    from siem.app import create_app
    from siem.garbage import settle_down

    chosen = settings()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(chosen.log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        application = create_app(chosen)
    except (DataError, OperationError) as error:
        fail(f"the watch cannot start: {error}")
    settle_down()
    uvicorn.run(
        application,
        host=chosen.host,
        port=chosen.port,
        # Of uvicorn's two parsers the one that bounds the head of a request; the other reads headers without end.
        http="h11",
        h11_max_incomplete_event_size=_HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(chosen.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in chosen.trusted_proxies],
        timeout_graceful_shutdown=3,
    )


def _formatter(log_format: str) -> logging.Formatter:
    if log_format != "ecs":
        return logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    import ecs_logging

    return ecs_logging.StdlibFormatter(extra={"service.name": "veilleur-siem"})
