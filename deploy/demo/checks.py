"""After the night: was everything read, and does what people do lead to a declaration?

The same checks serve ``make demo AUTO=1 EXIT=1`` and the end-to-end tests.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.demo.casting import Cast, console_people
from deploy.demo.people import ConsolePerson, Filed, first_link
from deploy.demo.scene import SOURCES, Scene
from deploy.demo.wire import Refused


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all sources. ``received`` = ``stored`` + ``duplicates`` + ``dropped``, or something was lost."""

    written: int
    received: int
    stored: int
    duplicates: int
    dropped: int

    @property
    def whole(self) -> bool:
        """Nothing lost, nothing counted twice."""
        return self.received == self.stored + self.duplicates + self.dropped


def wait_until_read(scene: Scene, cast: Cast, timeout_seconds: float = 120) -> Totals:
    """Wait until the watch has processed every line written so far; Refused when it stops short."""
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        written = _written(scene, cast)
        totals = _totals(scene, written)
        if totals.received - totals.duplicates >= written and totals.whole:
            return totals
        if time.monotonic() > give_up_at:
            raise Refused(f"the watch has not read everything after {timeout_seconds:.0f} s: {totals}")
        time.sleep(0.05)


def _written(scene: Scene, cast: Cast) -> int:
    with scene.log("idp").open("rb") as audit:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: audit.read(1 << 20), b""))
    return lines + sum(log.line_count for log in cast.logs) + cast.stage.shipper.sent_count


def _totals(scene: Scene, written: int) -> Totals:
    metrics = scene.metrics()

    def total(name: str) -> int:
        return int(sum(value for sample, value in metrics.items() if sample.split("{", 1)[0] == name and any(f'source="{s}"' in sample for s in SOURCES)))

    return Totals(
        written,
        total("siem_records_received_total"),
        total("siem_events_stored_total"),
        total("siem_events_duplicate_total"),
        total("siem_events_dropped_total"),
    )


def act(scene: Scene, cast: Cast) -> Filed:
    """Be the analyst, then the director; and see that the attacker is out."""
    by_role = {role: national_id for role, _, national_id in console_people()}
    attacker = cast.stage.attacker
    if attacker is None or cast.stage.record.userinfo(attacker).status not in (200, 401) or not cast.stage.record.refresh(attacker):
        raise Refused("the attacker's session ended before anybody revoked it")
    analyst = ConsolePerson(scene.watch_url, by_role["analyste"], cast.phones["analyste"])
    incident_path, number, dossier_path = _triage(analyst)
    if cast.stage.record.userinfo(attacker).status != 401 or cast.stage.record.refresh(attacker):
        raise Refused("the attacker's session still works after the revocation")
    director = ConsolePerson(scene.watch_url, by_role["declarant"], cast.phones["declarant"])
    return _declare(director, number, incident_path, dossier_path)


def _triage(analyst: ConsolePerson) -> tuple[str, str, str]:
    raise NotImplementedError


def _declare(director: ConsolePerson, number: str, incident_path: str, dossier_path: str) -> Filed:
    raise NotImplementedError


def summary(totals: Totals, filed: Filed, seconds: float) -> str:
    """The one line that ``EXIT=1`` ends with."""
    receipt = filed.receipt
    return (
        f"nuit jouée en {seconds:.1f} s : {totals.received} reçus = {totals.stored} conservés + {totals.duplicates} répétés + {totals.dropped} écartés ; "
        f"incident {filed.incident_number} ; récépissé {receipt['number']} du {receipt['received_at']}, sha256 {receipt['sha256']}"
    )


def keep_attacker_alive(cast: Cast, say: Callable[[str], None]) -> None:
    """Refresh the attacker's tokens every minute, as the attacker would, until the provider refuses."""
    attacker = cast.stage.attacker
    while attacker is not None:
        time.sleep(60)
        try:
            if not cast.stage.record.refresh(attacker):
                say("La session de l'attaquant vient d'être refusée par le fournisseur d'identité.")
                return
        except Refused:
            return


_ = first_link
