"""Rules carry their proof: for ``rules/a/b.yml``, ``match.jsonl`` and ``ignore.jsonl`` in the proofs' folder ``a/b/``.

Each line is an event under its ECS names, with ``@timestamp`` where time matters. A rule on single events must match
every line of ``match`` and none of ``ignore``. A correlation reads the lines as a story; an empty line begins another story,
and each must (or must not) raise a detection. A rule about indicators has those of ``indicators.jsonl`` beside its proof.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import orjson

from siem.detection import Rule
from siem.detection.costs import costs_of
from siem.detection.credit import Credit
from siem.detection.engine import Engine
from siem.detection.filters import Filter
from siem.detection.folders import RuleFolder, named
from siem.detection.heading import placeholders_of
from siem.detection.indicators import Book, Few, Indicator
from siem.detection.indicators import Kind as IndicatorKind
from siem.detection.load import CompiledRule, Ruleset, load_rules, read_folders
from siem.detection.logsource import LogSource
from siem.detection.plan import OF_DETECTION
from siem.detection.scalars import misread
from siem.detection.schema import problems_of
from siem.detection.selections import RuleMistake
from siem.errors import DataError
from siem.event import FIELDS, Event, Fields, Kind

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FILE_NAME: Final = re.compile(r"[a-z0-9_]{8,68}\.yml")
KINDS: Final = ("match", "ignore")
#: By type of source, what reads a record of it as it is received: the file, the number of the line, the line. Raises DataError.
Readers = Mapping[str, "_Read"]
_Read = Callable[[Path, int, bytes], Sequence[Event]]


@dataclass(frozen=True, slots=True)
class ProofResult:
    """One proof file of one rule. ``problems`` name the lines that do not do what they must.

    ``case_count`` is how often the rule was tried: once a line, or once a story for a correlation; ``held_count`` of them did
    what they must. ``seconds`` is the processor time taken.
    """

    credit: Credit
    path: str
    kind: str
    line_count: int
    case_count: int
    held_count: int
    seconds: float
    problems: tuple[DataError, ...]

    @property
    def passed(self) -> bool:
        """Whether every line did what it must."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Proven:
    """What running the proofs of a folder showed. ``errors`` are of rules that do not load: nothing proves them."""

    results: tuple[ProofResult, ...]
    errors: tuple[DataError, ...]

    @property
    def problems(self) -> list[DataError]:
        """Everything that is not as it must be."""
        return [*self.errors, *(problem for result in self.results for problem in result.problems)]


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a proof. ``story`` counts the groups of lines separated by an empty one."""

    number: int
    story: int
    events: Sequence[Event]


def check(
    *folders: Path | RuleFolder,
    proofs: Path | None = None,
    at: datetime | None = None,
    sources: Sequence[LogSource] | None = None,
    ruleset: Ruleset | None = None,
) -> list[DataError]:
    """Everything wrong with folders of rules: what does not load, what is not in the form of the schemas, and what the rules of the first
    must have besides, being our own.

    With ``proofs``, a rule of the first folder that raises alerts without both proof files is an error too; with ``at``, so is a
    filter that had expired by then. ``ruleset`` is what the folders hold, where they are loaded already.
    """
    ruleset = load_rules(*folders, sources=sources) if ruleset is None else ruleset
    problems = [
        *ruleset.errors,
        *(problem for one in ruleset.filters for problem in _of_filter(one, at)),
        *_of_form(folders, ruleset.errors),
    ]
    compiled = {one.rule.id: one for one in ruleset.singles}
    titles: dict[str, Rule] = {}
    for rule in ruleset.rules.values():
        if rule.rule_set:
            continue
        gives = _giver(ruleset.only([rule.id]).singles)
        problems.extend(_of_rule(rule, gives, alerts=rule.id in ruleset.alerting))
        if rule.id in compiled:
            problems.extend(_problem(rule, "detection", f"costly: {reason}") for reason in costs_of(compiled[rule.id]))
        if rule.title in titles:
            problems.append(_problem(rule, "title", f"the title is that of {titles[rule.title].path} too; titles are unique"))
        titles[rule.title] = rule
    for path, alerting in _by_path(ruleset).items():
        if len(alerting) > 1:
            problems.append(DataError(path, 0, "", "one file holds one rule that raises alerts (others only feed it)"))
        if proofs is not None:
            missing = [file for kind in KINDS for file in _proof_files(proofs, path, kind) if not file.is_file()]
            problems.extend(DataError(path, 0, "", f"the proof {file} is missing") for file in missing)
    return sorted(problems, key=lambda problem: (problem.path, problem.line, problem.field))


def _of_form(folders: Sequence[Path | RuleFolder], known: Sequence[DataError]) -> Iterator[DataError]:
    """What is not in the form of the schemas, where nothing is ``known`` to be wrong; a rule of the first folder also has an id."""
    places = {(error.path, error.line, error.field) for error in known}
    for document in read_folders(named(folders))[0]:
        mistakes = [*problems_of(document.body), *misread(document)]
        if not document.folder.name and not document.body.get("id") and not {"filter", "alerting"} & document.body.keys():
            mistakes.append(RuleMistake("missing: a UUID, so that alerts know the rule again when its title changes", "id"))
        for error in map(document.error, mistakes):
            if (error.path, error.line, error.field) not in places:
                yield error


def test(
    *folders: Path | RuleFolder,
    proofs: Path,
    sources: Sequence[LogSource] | None = None,  # noqa: PT028
    readers: Readers | None = None,  # noqa: PT028  # no test function
) -> Proven:
    """Run both proofs of each rule of the first folder that raises alerts, in the order of their paths; a missing one does not hold.

    The other folders are loaded with it. ``readers`` read the records of ``match.<type of source>.jsonl``.
    """
    ruleset = load_rules(*folders, sources=sources)
    results = [
        _prove(ruleset.only([rule.id]), rule, kind, _Proof(file, readers or {}))
        for path, alerting in _by_path(ruleset).items()
        for rule in alerting
        for kind in KINDS
        for file in _proof_files(proofs, path, kind)
    ]
    return Proven(tuple(results), ruleset.errors)


def _by_path(ruleset: Ruleset) -> Mapping[str, Sequence[Rule]]:
    """The alerting rules of the first folder, by file."""
    found: dict[str, list[Rule]] = {}
    for rule in ruleset.rules.values():
        if rule.id in ruleset.alerting and not rule.rule_set:
            found.setdefault(rule.path, []).append(rule)
    return dict(sorted(found.items()))


def _proof_files(proofs: Path, rule_path: str, kind: str) -> list[Path]:
    """Of events of ours (``match.jsonl``), and of records as their sources receive them (``match.windows.jsonl``); one at least."""
    folder = proofs / rule_path.removesuffix(".yml")
    ours, others = folder / f"{kind}.jsonl", sorted(folder.glob(f"{kind}.*.jsonl"))
    return [ours, *others] if ours.is_file() or not others else others


def _problem(rule: Rule, field: str, problem: str) -> DataError:
    return DataError(rule.path, 0, field, f"{problem} (rule {rule.id})")


def _giver(rules: Sequence[CompiledRule]) -> Callable[[str], bool]:
    """Whether an event of these rules may have a field: one of the table, or any where their source has fields of its own."""
    sources = [source for rule in rules for variant in rule.variants for source in variant.sources]
    return lambda name: name in FIELDS or any(not source.known for source in sources)


def _of_rule(rule: Rule, gives: Callable[[str], bool], *, alerts: bool) -> Iterator[DataError]:
    if not _FILE_NAME.fullmatch(rule.path.rsplit("/", 1)[-1]):
        yield _problem(rule, "", "file names are of small letters, digits and _, 10 to 70 characters")
    wanted: dict[str, object] = {
        "author": rule.author,
        "license": rule.licence,
        "description": rule.description,
        "veilleur.titre": rule.title_fr != rule.title,
        "veilleur.explication": rule.description_fr,
    }
    if alerts:
        wanted |= {
            "falsepositives": rule.falsepositives,
            "veilleur.faux-positifs": rule.falsepositives_fr,
            "tags (attack.t1078)": rule.techniques,
            "veilleur.resume": rule.summary_fr != rule.title,
            "veilleur.subject": rule.subject,
        }
        for name in (rule.subject, *placeholders_of(rule.summary_fr)):
            if name and not gives(name) and name not in OF_DETECTION:
                yield _problem(rule, "veilleur", f"«{name}» is not a field of an event")
        for name in set(placeholders_of(rule.summary_en)) - {rule.subject, *placeholders_of(rule.summary_fr), *OF_DETECTION}:
            yield _problem(rule, "veilleur.summary", f"«{name}» is not in the French sentence, whose values fill this one too")
    for field, value in wanted.items():
        if not value:
            yield _problem(rule, field, "missing")


def _of_filter(one: Filter, at: datetime | None) -> Iterator[DataError]:
    """A filter of the operator hides alerts of a hospital: somebody answers for it, for a reason, until a day."""
    said: dict[str, object] = {"owner": one.owner, "reason": one.reason, "expires": one.expires_at}
    for name, value in said.items() if one.own else ():
        if not value:
            yield DataError(one.path, 0, f"veilleur.{name}", "missing: a filter says who answers for it, why, and its last day")
    if at is not None and not one.holds_at(at):
        problem = f"expired after {one.last_day}: it hides nothing any more; renew it or take it away"
        yield DataError(one.path, 0, "veilleur.expires", problem)


@dataclass(frozen=True, slots=True)
class _Proof:
    """A file of proofs, and what reads the records of each type of source."""

    file: Path
    readers: Readers


def _prove(ruleset: Ruleset, rule: Rule, kind: str, proof: _Proof) -> ProofResult:
    begun, file = time.process_time(), proof.file
    if not file.is_file():
        missing = DataError(str(file), 0, "", f"the proof is missing: rule {rule.path} has none of this kind")
        return ProofResult(Credit.of(rule), rule.path, kind, 0, 0, 0, 0.0, (missing,))
    lines, problems = _read(proof)
    if not lines and not problems:
        problems.append(DataError(str(file), 0, "", "the proof is empty"))
    expected = kind == "match"
    cases = held = 0
    book = _book(file.with_name("indicators.jsonl"))
    engine = _engine(ruleset, book)
    for group in _attempts(lines, whole_stories=rule.correlation):
        if rule.correlation and cases:
            engine = _engine(ruleset, book)  # one story knows nothing of another; a rule on single events remembers nothing anyway
        detections = [*engine.evaluate([event for line in group for event in line.events]), *engine.flush()]
        fired = any(detection.rule_id == rule.id for detection in detections)
        cases += 1
        held += fired is expected
        if fired is not expected:
            said = "the rule does not match" if expected else "the rule matches"
            problems.append(DataError(str(file), group[0].number, "", said))
    seconds = time.process_time() - begun
    return ProofResult(Credit.of(rule), rule.path, kind, len(lines), cases, held, seconds, tuple(problems))


def _engine(ruleset: Ruleset, book: Book) -> Engine:
    engine = Engine(ruleset)
    engine.indicators.book = book
    return engine


def _book(file: Path) -> Book:
    """The indicators that a proof takes as loaded, each an object with the names of :class:`Indicator`."""
    found: list[Indicator] = []
    for said in map(orjson.loads, file.read_bytes().splitlines() if file.is_file() else ()):
        times = {name: datetime.fromisoformat(said.pop(name)) for name in ("valid_from", "valid_until") if name in said}
        found.append(Indicator(**{**said, **times, "kind": IndicatorKind(said["kind"])}))
    return Few(found)


def _attempts(lines: Sequence[_Line], *, whole_stories: bool) -> Iterator[Sequence[_Line]]:
    """What is given to a fresh engine at once: a story for a correlation, a line for another rule."""
    if not whole_stories:
        yield from ([line] for line in lines)
        return
    stories: dict[int, list[_Line]] = {}
    for line in lines:
        stories.setdefault(line.story, []).append(line)
    yield from stories.values()


def _read(proof: _Proof) -> tuple[list[_Line], list[DataError]]:
    file = proof.file
    read: _Read = _event
    if source := file.name.removesuffix(".jsonl").partition(".")[2]:
        if source not in proof.readers:
            known = ", ".join(sorted(proof.readers)) or "none is known here"
            return [], [DataError(str(file), 0, "", f"«{source}» is not the type of a source ({known})")]
        read = proof.readers[source]
    lines: list[_Line] = []
    problems: list[DataError] = []
    story = 0
    for number, data in enumerate(file.read_bytes().splitlines(), 1):
        if not data.strip():
            story += 1
            continue
        try:
            lines.append(_Line(number, story, read(file, number, data)))
        except DataError as problem:
            problems.append(problem)
    return lines, problems


def _event(file: Path, number: int, data: bytes) -> Sequence[Event]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DataError(str(file), number, "", f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DataError(str(file), number, "", "an object is expected")
    at = _START + timedelta(seconds=number)
    if "@timestamp" in document:
        try:
            at = datetime.fromisoformat(document.pop("@timestamp"))
        except (TypeError, ValueError) as error:
            raise DataError(str(file), number, "@timestamp", "an instant in ISO 8601 is expected") from error
        if at.tzinfo is None:
            raise DataError(str(file), number, "@timestamp", "the instant has no zone")
        try:
            at = at.astimezone(UTC)  # as sources give it
        except OverflowError as error:
            raise DataError(str(file), number, "@timestamp", "the instant is beyond the calendar in UTC") from error
    fields: Fields = {}
    for name, value in document.items():
        if name not in FIELDS:
            raise DataError(str(file), number, name, "not a field of an event")
        if not _fits(FIELDS[name], value):
            raise DataError(str(file), number, name, f"{FIELDS[name].value} is expected, found {value!r}")
        fields[name] = value
    return (Event(f"{file.stem}:{number}", at, str(fields.get("event.dataset", "proof")), "default", fields),)


def _fits(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.KEYWORDS:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.FLOAT:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str) and value != ""
