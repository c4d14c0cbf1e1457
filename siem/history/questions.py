"""Questions about history and their answers as plain documents: the same at the watch's door and within a command.

A question names a rule in force, or brings the text of one that is not. The answer of ``hunt`` is a ``plan``, then ``progress`` and
``detection`` lines as they come, then ``done``; that of ``backtest`` ends in a ``backtest``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from siem.detection import Detection, Rule
from siem.detection.credit import Credit
from siem.detection.documents import Document, parse_documents
from siem.detection.indicators import Book
from siem.detection.load import Ruleset
from siem.detection.naming import find_rule
from siem.errors import DataError
from siem.history.backtest import Tally
from siem.history.hunt import Plan, Step, Stretch, hunt, plan
from siem.store.events import EventStore, Scope, Search
from siem.store.scan import first_at

Message = Mapping[str, object]
#: The rules in force, with the documents given standing in for those of the same id or name.
LoadRules = Callable[[tuple[Document, ...]], Ruleset]
KINDS: Final = ("hunt", "backtest")


@dataclass(frozen=True, slots=True)
class Question:
    """``rule`` is an id, a name, a file or a title in force; with ``text``, it is the name of the file that holds this text."""

    kind: str
    rule: str
    text: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    tenant: str = "default"

    @classmethod
    def parse(cls, message: Message) -> "Question":
        """Read what :meth:`message` wrote. Raises DataError."""
        unknown = sorted(message.keys() - cls.__slots__)
        if unknown:
            raise DataError("question", 0, unknown[0], "unknown key")
        kind = message.get("kind")
        if kind not in KINDS:
            raise DataError("question", 0, "kind", f"one of {', '.join(KINDS)} is expected")
        text = message.get("text")
        return cls(
            str(kind),
            str(message.get("rule", "")),
            None if text is None else str(text),
            _instant(message, "from_at"),
            _instant(message, "to_at"),
            str(message.get("tenant", "default")),
        )

    def message(self) -> Message:
        """As a line to send."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in given.items()}


def _instant(message: Message, key: str) -> datetime | None:
    value = message.get(key)
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise DataError("question", 0, key, "an instant in ISO 8601 is expected") from error
    if instant.tzinfo is None:
        raise DataError("question", 0, key, "the instant has no zone")
    return instant


class History:
    """Answers questions about the events of one store. ``book`` gives the sets of indicators, for one answer."""

    def __init__(self, events: EventStore, load_rules: LoadRules, book: Callable[[], Book | None] = lambda: None) -> None:
        self._events = events
        self._load_rules = load_rules
        self._book = book

    def answer(self, message: Message) -> Iterator[Message]:
        """The lines of an answer. Raises DataError for a question or a rule that is wrong, OperationError where the store fails."""
        question = Question.parse(message)
        wanted = self._plan(question)
        stretch = Stretch(Scope(question.tenant), question.from_at, question.to_at)
        total = self._events.count(Search(stretch.scope, from_at=stretch.from_at, to_at=stretch.to_at))
        oldest = first_at(self._events, stretch.scope)
        yield {"plan": _planned(wanted, stretch, total, oldest)}
        tally = Tally(wanted, stretch)
        for step in hunt(self._events, wanted, stretch):
            tally.add(step)
            if question.kind == "hunt":
                for detection in step.detections:
                    yield {"detection": shown(detection, wanted.rule)}
            yield {"progress": _progress(step)}
        result = tally.result(oldest, complete=True)
        yield {"done" if question.kind == "hunt" else "backtest": asdict(result)}

    def _plan(self, question: Question) -> Plan:
        if question.text is None:
            ruleset = self._load_rules(())
            return plan(ruleset, find_rule(ruleset, question.rule).id, self._book())
        documents, errors = parse_documents(question.text, question.rule)
        if errors:
            raise errors[0]
        ruleset = self._load_rules(tuple(documents))
        wrong = [error for error in ruleset.errors if error.path == question.rule]
        if wrong:
            raise wrong[0]
        alerting = [rule for rule in ruleset.rules.values() if rule.path == question.rule and rule.id in ruleset.alerting]
        if len(alerting) != 1:
            found = ", ".join(rule.title for rule in alerting) or "none"
            raise DataError(question.rule, 0, "", f"one rule that raises alerts is expected in the file, found {found}")
        return plan(ruleset, alerting[0].id, self._book())


def _planned(wanted: Plan, stretch: Stretch, total: int, oldest: datetime | None) -> Message:
    rule = wanted.rule
    return {
        **Credit.of(rule).document(),
        "level": rule.level,
        "how": str(wanted.how),
        "from_at": _text(stretch.from_at),
        "to_at": _text(stretch.to_at),
        "oldest_at": _text(oldest),
        "event_count": total,
    }


def _progress(step: Step) -> Message:
    return {"looked_count": step.looked_count, "candidate_count": step.candidate_count, "reached_at": step.reached_at.isoformat()}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def shown(detection: Detection, rule: Rule) -> Message:
    """A detection as a document."""
    return {
        **Credit.of(rule).document(),
        "level": rule.level,
        "group": dict(detection.group),
        "first_at": detection.first_at.isoformat(),
        "last_at": detection.last_at.isoformat(),
        "event_ids": list(detection.event_ids),
    }
