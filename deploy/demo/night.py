"""The night: ordinary visits of several professionals, and one attack.

The plan is made from a seed; the clock played is the provider's own (its control interface sets it), and
every event carries a played time. A visit is a generator that says when it wants to go on; a heap merges
the visits, so that each log is written in the order of its times.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

from deploy.demo.phone import Phone
from deploy.demo.services import RelyingParty, Shipper, Tokens, audit_event
from deploy.demo.wire import Browser, Refused

FINESS = "0B0000005"
VISIT_COUNT = 200
EVENING = timedelta(hours=9)
#: Nobody comes before the stage is set, which takes wall time that the clock counts too.
FIRST_BEGIN_SECONDS = 180
#: How long before the end of the evening the attack begins: its session must still be alive when people look.
ATTACK_BEFORE_END = timedelta(minutes=52)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
)
ATTACKER_ADDRESS = "203.0.113.66"
ATTACKER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

Visit = Iterator[datetime]


@dataclass(slots=True)
class Person:
    """A professional of the night, with an enrolled phone and the address of the place of work."""

    national_id: str
    phone: Phone
    address: str
    agent: str
    patients: tuple[str, ...]


@dataclass(slots=True)
class Stage:
    """What the night is played on. ``set_clock`` moves the provider's clock."""

    base_url: str
    set_clock: Callable[[datetime], None]
    record: RelyingParty
    mail: RelyingParty
    prescription: RelyingParty
    shipper: Shipper
    people: list[Person]
    victim: Person
    strangers: tuple[str, ...]
    login_count: int = 0
    audit_documents: list[dict[str, Any]] = field(default_factory=list)
    attacker: Tokens | None = None

    def audit(self, document: dict[str, Any]) -> None:
        """Keep an audit document; ship when enough wait."""
        self.audit_documents.append(document)
        if len(self.audit_documents) >= 40:
            self.ship()

    def ship(self) -> None:
        """Ship what waits."""
        if self.audit_documents:
            self.shipper.send(self.audit_documents)
            self.audit_documents = []


def play(stage: Stage, start: datetime, seed: int, on_progress: Callable[[datetime, int], None]) -> None:
    """Play the whole evening; ``on_progress`` gets the played time and the number of logins so far."""
    rng = random.Random(seed)
    end = start + EVENING
    heap: list[tuple[datetime, int, Visit]] = []
    for number, (begin, visit) in enumerate(_plan(stage, rng, start, end)):
        heapq.heappush(heap, (begin, number, visit))
    while heap:
        at, number, visit = heapq.heappop(heap)
        on_progress(at, stage.login_count)
        following = next(visit, None)
        if following is not None:
            heapq.heappush(heap, (max(following, at), number, visit))
    stage.ship()


def _plan(stage: Stage, rng: random.Random, start: datetime, end: datetime) -> Iterator[tuple[datetime, Visit]]:
    services = (stage.record, stage.record, stage.mail, stage.prescription)
    last_begin = EVENING - timedelta(minutes=20)
    slots: dict[str, list[datetime]] = {}
    for index in range(VISIT_COUNT):
        person = stage.people[index % len(stage.people)]
        begin = start + timedelta(seconds=rng.uniform(FIRST_BEGIN_SECONDS, last_begin.total_seconds()))
        # One visit of a person at a time, and never while the attacker holds the phone's attention.
        taken = slots.setdefault(person.national_id, [])
        while not _is_free(taken, begin) or _in_attack(stage, person, begin, end):
            begin = start + timedelta(seconds=rng.uniform(FIRST_BEGIN_SECONDS, last_begin.total_seconds()))
        taken.append(begin)
        yield begin, _visit(stage, random.Random(rng.random()), person, services[rng.randrange(len(services))], begin)
    yield start + timedelta(hours=2, minutes=10), _scan(stage, start + timedelta(hours=2, minutes=10))
    prudent = stage.people[-1]
    free = next(hour for hour in range(1, 8) if _is_free(slots[prudent.national_id], start + timedelta(hours=hour)))
    yield start + timedelta(hours=free), _reported(stage, prudent, start + timedelta(hours=free))
    yield end - ATTACK_BEFORE_END, _attack(stage, random.Random(rng.random()), end - ATTACK_BEFORE_END, end)


def _is_free(taken: list[datetime], at: datetime) -> bool:
    return all(abs(at - other) >= timedelta(minutes=11) for other in taken)


def _in_attack(stage: Stage, person: Person, begin: datetime, end: datetime) -> bool:
    return person is stage.victim and begin > end - ATTACK_BEFORE_END - timedelta(minutes=25)


def _visit(stage: Stage, rng: random.Random, person: Person, service: RelyingParty, begin: datetime) -> Visit:
    browser = Browser(person.address, person.agent)
    tokens = None
    for step in _log_in(
        stage, browser, service, person.national_id, begin, lambda question, code, at: _say_yes(person, question, code, at)
    ):
        if isinstance(step, Tokens):
            tokens = step
        else:
            yield step
    if tokens is None:
        raise Refused(f"{person.national_id} could not log in at {service.client_id}")
    stage.login_count += 1
    at = begin + timedelta(seconds=20)
    renewed_at = at
    for _ in range(rng.randint(2, 6)):
        at += timedelta(seconds=rng.uniform(20, 95))
        yield at
        if at - renewed_at > timedelta(seconds=110):
            stage.set_clock(at)
            if not service.refresh(tokens):
                raise Refused(f"{service.client_id}: the session of {person.national_id} could not be renewed")
            renewed_at = at
        _use(stage, rng, person, service, tokens, at)
    at += timedelta(seconds=10)
    yield at
    stage.set_clock(at)
    browser.get(service.logout_url(tokens), follow=True)
    service.log.write(at, person.address, person.national_id, "POST /deconnexion", 303, 0, person.agent)


def _use(stage: Stage, rng: random.Random, person: Person, service: RelyingParty, tokens: Tokens, at: datetime) -> None:
    if service is stage.record:
        patient = rng.choice(person.patients)
        service.log.write(
            at,
            person.address,
            person.national_id,
            f"GET /dossiers/{rng.randrange(10**6):06d}",
            200,
            rng.randint(4_000, 60_000),
            person.agent,
        )
        stage.audit(audit_event(at, person.national_id, person.address, patient, "read", finess=FINESS, session_id=tokens.session_id))
    elif service is stage.mail:
        path = rng.choice(("GET /messages", f"GET /messages/{rng.randrange(10**5)}", "POST /messages"))
        service.log.write(at, person.address, person.national_id, path, 200, rng.randint(900, 30_000), person.agent)
    else:
        path = rng.choice(("GET /ordonnances", "POST /ordonnances", f"GET /ordonnances/{rng.randrange(10**5)}"))
        service.log.write(
            at, person.address, person.national_id, path, 201 if path.startswith("POST") else 200, rng.randint(500, 9_000), person.agent
        )


def _say_yes(person: Person, question: dict[str, Any], code: str, at: datetime) -> None:
    state = person.phone.answer(question, "approve", at.timestamp(), code=code)
    if state != "approved":
        raise Refused(f"the phone of {person.national_id} approved and got {state}")


def _log_in(
    stage: Stage,
    browser: Browser,
    service: RelyingParty,
    national_id: str,
    begin: datetime,
    answer: Callable[[dict[str, Any], str, datetime], None],
) -> Iterator[datetime | Tokens]:
    """One login from the browser's side: yields the times it waits for, then the tokens if it came to that."""
    stage.set_clock(begin)
    pending = service.begin()
    page = browser.open(pending.url)
    waiting = browser.submit(page, "identify", national_id=national_id)
    code = _displayed_code(waiting.answer.text())
    answered_at = begin + timedelta(seconds=12)
    yield answered_at
    stage.set_clock(answered_at)
    person = next(p for p in (*stage.people, stage.victim) if p.national_id == national_id)
    questions = person.phone.approvals(answered_at.timestamp())
    if not questions:
        raise Refused(f"no question reached the phone of {national_id}")
    answer(questions[-1], code, answered_at)
    response = browser.get(waiting.answer.url)
    while response.status == 303:
        target = urljoin(response.url, response.headers["Location"])
        if target.startswith(service.redirect_uri):
            service.log.write(answered_at, browser.address, "", f"GET {urlsplit(target).path}", 303, 0, browser.user_agent)
            yield service.complete(pending, target)
            return
        response = browser.get(target)


def _displayed_code(html: str) -> str:
    marker = html.index('id="code"')
    start = html.index(">", marker) + 1
    return html[start : html.index("<", start)].strip()


def _scan(stage: Stage, at: datetime) -> Visit:
    """Somebody looks for forgotten pages of the mail service: noise of every night, an alert and no incident."""
    for number in range(40):
        at += timedelta(seconds=2)
        yield at
        stage.mail.log.write(at, "198.51.100.77", "", f"GET /sauvegarde-{number}.zip", 404, 153, "Mozilla/5.0 (compatible; curieux/1.0)")


def _reported(stage: Stage, person: Person, at: datetime) -> Visit:
    """A doctor gets a question nobody in the ward asked for, and says so on the phone."""
    browser = Browser("198.51.100.90", AGENTS[1])

    def report(question: dict[str, Any], _code: str, when: datetime) -> None:
        person.phone.answer(question, "report", when.timestamp())

    for step in _log_in(stage, browser, stage.mail, person.national_id, at, report):
        if isinstance(step, datetime):
            yield step


def _attack(stage: Stage, rng: random.Random, begin: datetime, end: datetime) -> Visit:
    """Five questions in thirteen minutes, the last one answered yes; then a sweep, two break-glass accesses and an export."""
    victim, at = stage.victim, begin
    for answered in ("deny", "deny", None, "deny"):
        browser = Browser(ATTACKER_ADDRESS, ATTACKER_AGENT)

        def react(question: dict[str, Any], code: str, when: datetime, answered: str | None = answered) -> None:
            if answered is not None:
                victim.phone.answer(question, answered, when.timestamp())

        for step in _log_in(stage, browser, stage.record, victim.national_id, at, react):
            if isinstance(step, datetime):
                yield step
        at += timedelta(seconds=rng.uniform(160, 220))
        yield at
    browser, tokens = Browser(ATTACKER_ADDRESS, ATTACKER_AGENT), None
    for step in _log_in(
        stage, browser, stage.record, victim.national_id, at, lambda question, code, when: _say_yes(victim, question, code, when)
    ):
        if isinstance(step, Tokens):
            tokens = step
        else:
            yield step
    if tokens is None:
        raise Refused("the attacker could not log in: the night cannot be played")
    yield from _sweep(stage, rng, tokens, at + timedelta(seconds=40), end)
    stage.attacker = tokens


def _sweep(stage: Stage, rng: random.Random, tokens: Tokens, at: datetime, end: datetime) -> Visit:
    victim = stage.victim

    def trace(patient: str, what: str, path: str, size: int, **details: Any) -> None:
        stage.record.log.write(at, ATTACKER_ADDRESS, victim.national_id, path, 200, size, ATTACKER_AGENT)
        stage.audit(
            audit_event(at, victim.national_id, ATTACKER_ADDRESS, patient, what, finess=FINESS, session_id=tokens.session_id, **details)
        )

    renewed_at = at
    last = end - timedelta(minutes=2)
    for index, patient in enumerate(stage.strangers):
        at = min(at + timedelta(seconds=rng.uniform(6, 14)), last)
        yield at
        if at - renewed_at > timedelta(seconds=110):
            stage.set_clock(at)
            if not stage.record.refresh(tokens):
                raise Refused("the attacker's session could not be renewed")
            renewed_at = at
        if index in (60, 75):
            trace(patient, "break-glass", f"POST /dossiers/{rng.randrange(10**6):06d}/bris-de-glace", 310, purpose="BTG")
        trace(
            patient,
            "read",
            f"GET /dossiers/{rng.randrange(10**6):06d}",
            rng.randint(9_000, 60_000),
            purpose="BTG" if index in (60, 75) else "TREAT",
        )
    at = min(at + timedelta(seconds=30), last)
    yield at
    trace(stage.strangers[-1], "export", "POST /dossiers/export", 48_000_000, count=len(stage.strangers))
    while at < last:
        at = min(at + timedelta(minutes=8), last)
        yield at
        stage.set_clock(at)
        if not stage.record.refresh(tokens):
            raise Refused("the attacker's session could not be kept alive")
