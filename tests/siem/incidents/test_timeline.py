from tests.siem.incidents.conftest import (
    ANALYST,
    DIRECTOR,
    LEAD,
    Watch,
    detect,
    make_event,
    only,
)


def test_a_revocation_seen_in_the_log_enters_the_story_once(watch: Watch) -> None:
    watch.attack()
    revoked = make_event("rev", 60, event__action="session.revoked", health__actor__id="veilleur-siem")
    for _ in range(2):
        watch.feed(events=(revoked,))
    told = [entry for entry in watch.incidents.timeline(ANALYST, only(watch).id) if "Confirmé" in entry.text]
    assert [(entry.at, entry.reference) for entry in told] == [(revoked.at, "rev")]


def test_like_events_are_told_together_until_a_pause_and_an_event_of_two_alerts_once(watch: Watch) -> None:
    reads = [make_event(f"r{n}", n) for n in (0, 10, 20, 80)]
    other = make_event("o", 15, ip="198.51.100.9")
    watch.feed(detect("sweep", *reads, other), detect("abroad", *reads), events=(*reads, other))
    told = [entry.text for entry in watch.incidents.timeline(ANALYST, only(watch).id) if entry.kind == "event"]
    assert told == [
        "3 consultations de dossiers sur dossier-patient depuis 203.0.113.7, en 20 min",
        "Dossier consulté sur dossier-patient depuis 198.51.100.9",
        "Dossier consulté sur dossier-patient depuis 203.0.113.7",
    ]


def test_decisions_are_told_by_the_name_of_who_took_them(watch: Watch) -> None:
    watch.attack()
    incident = only(watch)
    watch.incidents.assign_incident(incident.id, LEAD.subject, ANALYST)
    watch.incidents.note(incident.id, "rappel fait", LEAD)
    watch.incidents.move(incident.id, "closed", "test", LEAD)
    told = [(entry.actor, entry.text) for entry in watch.incidents.timeline(DIRECTOR, incident.id) if entry.kind in ("decision", "note")]
    assert told == [
        ("Veilleur", "Incident ouvert"),
        (ANALYST.name, f"Attribué à {LEAD.name}"),
        (LEAD.name, "Passage en phase « clos » — test"),
        (LEAD.name, "rappel fait"),
    ]
