"""After the night: was everything read, and does what people do lead to a declaration?

The same checks serve ``make demo AUTO=1 EXIT=1`` and the end-to-end tests.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.demo.casting import Cast, console_people
from deploy.demo.people import ConsolePerson, Filed, first_link
from deploy.demo.scene import SOURCES, Scene
from deploy.demo.wire import Page, Refused


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
        return int(
            sum(
                value
                for sample, value in metrics.items()
                if sample.split("{", 1)[0] == name and any(f'source="{s}"' in sample for s in SOURCES)
            )
        )

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
    """Acknowledge, qualify, approve what contains the incident; returns its path, its number and its dossier's path."""
    _, path = analyst.wait_for("/incidents", first_link(r"/incidents/[^/]+"), "an incident")
    queue = analyst.open("/alertes")
    analyst.browser.submit(queue, "file", action="acquitter", alerte=queue.form("file").options["alerte"])
    page = analyst.open(path)
    number = _found(page, r"INC-\d{4}-\d+")
    answers = {
        "securite_soins": "non",
        "donnees_sante": "oui",
        "fonctionnement_normal": "non",
        "organisation_systeme_sante": "non",
        "autres_structures": "inconnu",
    }
    reason = "Consultation massive de dossiers et export depuis une session ouverte à l’étranger."
    analyst.browser.submit(page, "qualification", motif=reason, **answers)
    run = _approve(analyst, path)
    page, dossier = analyst.wait_for(path, first_link(r"/dossiers/[^/]+"), "the dossier")
    analyst.wait_for(run, lambda page: "state-completed" if "state-completed" in page.answer.text() else None, "the end of the playbook")
    return path, number, dossier


def _approve(analyst: ConsolePerson, incident_path: str) -> str:
    """Say yes to the revocation; returns the path of the run."""
    _, run = analyst.wait_for(incident_path, first_link(r"/executions/[^/]+"), "the playbook's run")

    def asked(page: Page) -> str | None:
        return next((form.id for form in page.forms if ("decision", "approuver") in form.buttons), None)

    page, form_id = analyst.wait_for(run, asked, "a step to approve")
    analyst.browser.submit(
        page, form_id, decision="approuver", motif="Le médecin confirme par téléphone ne pas être à l’origine de la connexion."
    )
    return run


def _declare(director: ConsolePerson, number: str, incident_path: str, dossier_path: str) -> Filed:
    """Complete what is missing, read, validate, file; returns what was filed and its receipt."""
    for _ in range(40):
        page = director.open(dossier_path)
        section = next((link for link in page.links if re.fullmatch(r"\?section=[^#]+#champ-.+", link)), None)
        if section is None:
            break
        _complete(
            director, dossier_path + section.split("#", 1)[0], {link.split("#champ-", 1)[1] for link in page.links if "#champ-" in link}
        )
    page = director.browser.submit(page, "validation", relu="oui")
    director.browser.submit(page, "depot")
    receipt = director.open(f"{dossier_path}/recepisse").answer.text()
    jws = _found_in(receipt, r'id="jws">\s*([A-Za-z0-9._-]+)')
    return Filed(
        number,
        incident_path,
        dossier_path,
        {"jws": jws, **_claims(jws)},
        director.download(f"{dossier_path}.json").body,
        director.download(f"{dossier_path}.pdf").body,
    )


#: What the director knows and the watch does not; what nobody knows is ticked as unknown.
KNOWN: dict[str, str | list[str]] = {
    "accompagnement.demande": "oui",
    "accompagnement.nature": ["analyse_traces"],
    "accompagnement.urgence": "non",
    "impact.donnees.nature": ["divulgation"],
}


def _complete(director: ConsolePerson, path: str, missing: set[str]) -> None:
    page = director.open(path)
    form = page.form_to(r"/dossiers/[^/]+/sections/[^/]+")
    if form is None:
        raise Refused(f"{path} has no form to fill")
    may_be_unknown = set(form.options.get("inconnu", ()))
    unknown = set(form.fields.get("inconnu", ()))
    answers: dict[str, str | list[str]] = {}
    for key in missing & form.fields.keys():
        if key in KNOWN:
            answers[key] = KNOWN[key]
            unknown.discard(key)
        elif key in may_be_unknown:
            unknown.add(key)
        else:
            raise Refused(f"{path}: the director cannot leave {key} open and does not know the answer")
    director.browser.submit(page, form, inconnu=sorted(unknown), **answers)


def _found(page: Page, pattern: str) -> str:
    return _found_in(page.answer.text(), f"({pattern})")


def _found_in(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise Refused(f"nothing like {pattern} on the page: {text[:300]}")
    return match.group(1)


def _claims(jws: str) -> dict[str, Any]:
    part = jws.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def counts(totals: Totals) -> str:
    """What became of every record, in words."""
    return f"{totals.received} reçus = {totals.stored} conservés + {totals.duplicates} répétés + {totals.dropped} écartés"


def summary(totals: Totals, filed: Filed, seconds: float) -> str:
    """The one line that ``EXIT=1`` ends with."""
    receipt = filed.receipt
    filing = f"récépissé {receipt['number']} du {receipt['received_at']}, sha256 {receipt['sha256']}"
    return f"nuit jouée en {seconds:.1f} s : {counts(totals)} ; incident {filed.incident_number} ; {filing}"


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
