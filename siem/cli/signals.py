"""``siem signals``."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import fail, settings
from siem.errors import DataError, OperationError

app = typer.Typer(no_args_is_help=True, help="Security events of the identity provider (Shared Signals).")


@app.command("subscribe")
def signals_subscribe(
    source: Annotated[str, typer.Argument(help="Name of the source of type caep in sources.yaml.")],
    key_file: Annotated[Path, typer.Option("--key-file", help="File with the source's API key.", exists=True, dir_okay=False)],
) -> None:
    """Have the provider push its events to this source, and send a first one to prove it; may be repeated."""
    from siem.inputs.event_stream import Subscriber, subscribe
    from siem.sources import SOURCES
    from siem.sources.configuration import load_sources

    chosen = settings()
    try:
        known = {entry.name: entry for entry in load_sources(chosen.sources_file, SOURCES)}
        if source not in known or known[source].type != "caep":
            fail(f"{chosen.sources_file}: no source of type caep is called {source!r}")
        subscriber = Subscriber(chosen.oidc_issuer, chosen.idp_client_id, chosen.idp_client_secret.get_secret_value())
        endpoint_url = f"{chosen.base_url}/ingest/v1/{source}/events"
        stream_id = subscribe(subscriber, endpoint_url=endpoint_url, api_key=key_file.read_text("utf-8").strip())
    except (DataError, OperationError) as error:
        fail(str(error))
    typer.echo(f"stream {stream_id} goes to {endpoint_url}; its first event is on its way")
