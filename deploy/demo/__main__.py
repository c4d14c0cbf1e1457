"""``make demo``: start the provider and the watch, play a night, print where to look, stay until Ctrl-C.

Environment: ``AUTO=1`` acts as the analyst and the director; ``EXIT=1`` checks, prints one line and ends;
``DEMO_IDP_PORT``, ``DEMO_WATCH_PORT``, ``DEMO_STATE`` and ``DEMO_SEED`` change where and what. ``--no-play`` only starts.
"""

import os
import shutil
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo import casting, checks, night
from deploy.demo.scene import Scene, configure
from deploy.demo.stage import PortTaken, require_free
from deploy.demo.wire import Refused

out = Console(highlight=False)


def main() -> int:
    """Run the demonstration; the exit status is 0 when all went as planned."""
    play = "--no-play" not in sys.argv[1:]
    automatic, leave = os.environ.get("AUTO") == "1", os.environ.get("EXIT") == "1"
    idp_port, watch_port = int(os.environ.get("DEMO_IDP_PORT", "8800")), int(os.environ.get("DEMO_WATCH_PORT", "8900"))
    folder = Path(os.environ.get("DEMO_STATE", "var"))
    started = time.monotonic()
    try:
        require_free(idp_port, "DEMO_IDP_PORT")
        require_free(watch_port, "DEMO_WATCH_PORT")
    except PortTaken as error:
        out.print(f"[red]{error}[/red]")
        return 2
    if play and folder.exists():
        shutil.rmtree(folder)
    scene = None
    try:
        # The evening ends now: what people read in the console happened during the last hours.
        begin = datetime.now(UTC) - night.EVENING - timedelta(seconds=30)
        scene = configure(folder, idp_port=idp_port, watch_port=watch_port, clock_start=begin if play else None)
        # The watch takes longest to start and needs the provider only once somebody logs in: the night begins without it.
        scene.watch.start()
        scene.make_provider()
        scene.idp.start()
        scene.idp.wait_ready()
        if play:
            _play(scene, begin, automatic=automatic, started=started)
        if not (leave and play):
            scene.watch.wait_ready()
            _stay(scene)
    except Refused as error:
        out.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        out.print()
    finally:
        # A second Ctrl-C while the servers end would leave one of them running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if scene is not None:
            scene.stop()
    return 0


def _play(scene: Scene, begin: datetime, *, automatic: bool, started: float) -> None:
    cast = casting.cast(scene, begin)
    columns = (
        TextColumn("[bold]La nuit[/bold] {task.fields[clock]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("connexions"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=night.VISIT_COUNT, clock="")
        night.play(cast.stage, begin, cast.seed, lambda at, count: progress.update(task, completed=count, clock=f"{at.astimezone():%H:%M}"))
    scene.watch.wait_ready()
    cast.stage.shipper.finish()
    scene.set_clock(None)
    totals = checks.wait_until_read(scene, cast)
    cast.close()
    if automatic:
        filed = checks.act(scene, cast)
        out.print(checks.summary(totals, filed, time.monotonic() - started), soft_wrap=True)
    else:
        out.print(f"La nuit est jouée en {time.monotonic() - started:.1f} s : {checks.counts(totals)}.", soft_wrap=True)
        threading.Thread(target=checks.keep_attacker_alive, args=(cast, out.print), daemon=True).start()


def _stay(scene: Scene) -> None:
    out.print(f"\nConsole de veille       {scene.watch_url}/", soft_wrap=True)
    out.print(f"Fournisseur d'identité  {scene.issuer}/.well-known/openid-configuration\n", soft_wrap=True)
    out.print(
        "Pour entrer : activez un téléphone dans une seconde fenêtre, puis connectez-vous à la console avec l'identifiant.\n",
        soft_wrap=True,
    )
    for role, name, national_id in casting.console_people():
        _, url = scene.activation_code(national_id)
        out.print(f"{role:<12} {name:<18} identifiant {national_id}   téléphone {url}", soft_wrap=True)
    out.print()
    out.print("Ctrl-C pour arrêter.")
    while not (scene.idp.ended() or scene.watch.ended()):
        time.sleep(0.5)
    ended = scene.idp if scene.idp.ended() else scene.watch
    raise Refused(f"{ended.name} ended by itself; the end of its log:\n{ended.last_lines()}")


if __name__ == "__main__":
    sys.exit(main())
