"""A match of a rule on single events as a detection."""

from collections.abc import Mapping, Sequence

from siem.detection import Detection
from siem.detection.match import Candidate
from siem.detection.predicates import Text
from siem.detection.windows import joined
from siem.event import Event


def detection_of(candidate: Candidate, event: Event, fields: Mapping[str, Text], summary: Sequence[str]) -> Detection:
    """What a rule says of one event. ``fields`` are the event's under the rule's names; ``summary`` those that its sentence shows."""
    rule = candidate.rule.rule
    group = tuple((name, joined(fields[name]) or "") for name in rule.group_by)
    values = {rule.subject: joined(fields[rule.subject]) or "", **dict(group)}
    for name in summary:
        values[name] = joined(fields[name]) or ""
    return Detection(
        rule_id=rule.id,
        tenant=event.tenant,
        group=group,
        first_at=event.at,
        last_at=event.at,
        event_ids=(event.id,),
        matched_fields=tuple(name for name in candidate.variant.fields if name in event.fields),
        values=tuple(values.items()),
    )
