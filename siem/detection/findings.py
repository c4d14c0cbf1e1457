"""What an episode of a correlation becomes: a detection, with the events behind it and the fields that its sentence shows."""

from collections.abc import Iterable, Mapping

from siem.detection import Detection
from siem.detection.clocks import moment
from siem.detection.correlate import Correlator, Found
from siem.detection.load import CompiledCorrelation, Ruleset
from siem.detection.plan import fields_looked_at
from siem.detection.windows import Entry


class Findings:
    """Tells of episodes. ``carried`` are the fields that matches carry, by correlation; ``correlators`` the state by rule and tenant."""

    def __init__(self, ruleset: Ruleset, carried: Mapping[str, tuple[str, ...]], correlators: Mapping[tuple[str, str], Correlator]) -> None:
        self._carried = carried
        self._correlators = correlators
        ids = {one.rule.id for one in ruleset.correlations}
        self._over_correlations = {one.rule.id for one in ruleset.correlations if not ids.isdisjoint(one.inputs)}
        self._fields = fields_looked_at(ruleset)

    def of_episode(self, one: CompiledCorrelation, tenant: str, correlator: Correlator, found: Found) -> Detection | None:
        """An episode of a correlation; None where everything of it was returned before."""
        first, event_ids = self._events_of(one, tenant, correlator, found)
        if not event_ids:
            return None
        group = tuple(zip(one.correlation.group_by, found.key, strict=True))
        values = dict(group)
        last = found.entries[-1]
        for name, value in zip(self._carried[one.rule.id], last[5], strict=True):
            values.setdefault(name, value)
        measure = found.measure
        values["count"] = str(int(measure)) if measure.is_integer() else f"{measure:.2f}"
        return Detection(
            rule_id=one.rule.id,
            tenant=tenant,
            group=group,
            first_at=moment(first),
            last_at=moment(found.last),
            event_ids=event_ids,
            matched_fields=self._fields[one.rule.id],
            values=tuple(values.items()),
        )

    def _events_of(self, one: CompiledCorrelation, tenant: str, correlator: Correlator, found: Found) -> tuple[int, tuple[str, ...]]:
        """The new events of an episode in order, and the instant of the first one of all (in a child's window, where there is one)."""
        event_ids = {entry[2]: entry[0] for entry in found.entries if not entry[4]}
        first = found.first
        if one.rule.id in self._over_correlations:
            group = correlator.groups[found.key]
            gathered = self._expanded(tenant, [entry for entry in found.entries if entry[4]])
            first = min((first, *gathered.values()))
            gathered.update(event_ids)
            event_ids = {event_id: at for event_id, at in gathered.items() if event_id not in group.returned}
            correlator.remember(found.key, event_ids)
        return first, tuple(sorted(event_ids, key=lambda event_id: (event_ids[event_id], event_id)))

    def _expanded(self, tenant: str, entries: Iterable[Entry]) -> dict[str, int]:
        """Events, with their instants, behind matches of child correlations; windows that overlap are read once."""
        by_origin: dict[tuple[str, ...], list[int]] = {}
        for entry in entries:
            by_origin.setdefault(entry[4], []).append(entry[0])
        gathered: dict[str, int] = {}
        for (rule_id, *key), instants in by_origin.items():
            child = self._correlators[rule_id, tenant]
            deeper: list[Entry] = []
            read_to = -1
            for at in sorted(instants):
                for entry in child.contributing(tuple(key), max(at - child.span, read_to + 1), at):
                    if entry[4]:
                        deeper.append(entry)
                    else:
                        gathered[entry[2]] = entry[0]
                read_to = at
            if deeper:
                gathered.update(self._expanded(tenant, deeper))
        return gathered
