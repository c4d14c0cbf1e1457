"""What the watch says of itself to Prometheus. Labels are bounded: sources of the configuration, rules in force, reasons of one list."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from siem.pipeline import Pipeline
from siem.retention import store as retention
from siem.sources.source import SourceSettings
from siem.store import progress
from siem.store.database import Database
from siem.store.queue import Queue


class Silences(NamedTuple):
    """The sources that records are expected of, and what time it is."""

    sources: Sequence[SourceSettings]
    clock: Callable[[], datetime]


class _Watch(Collector):
    def __init__(self, database: Database, queue: Queue, pipeline: Pipeline, silences: Silences) -> None:
        self._database, self._queue, self._pipeline, self._silences = database, queue, pipeline, silences

    def collect(self) -> Iterable[Metric]:
        """Read the counters as they are committed: received = stored + duplicate + dropped, at every instant."""
        received = CounterMetricFamily("siem_records_received", "Records processed, by source", labels=["source"])
        stored = CounterMetricFamily("siem_events_stored", "Records stored as events, by source", labels=["source"])
        duplicate = CounterMetricFamily("siem_events_duplicate", "Records that were there already, by source", labels=["source"])
        dropped = CounterMetricFamily("siem_events_dropped", "Records set aside as dead letters", labels=["source", "reason"])
        silent = GaugeMetricFamily("siem_source_silent", "1 while a source says nothing for longer than it may", labels=["source"])
        heard_at: dict[str, datetime | None] = {}
        with self._database.reading() as connection:
            for counts in progress.read_counts(connection):
                heard_at[counts.source] = counts.last_received_at
                received.add_metric([counts.source], counts.received)
                stored.add_metric([counts.source], counts.stored)
                duplicate.add_metric([counts.source], counts.duplicates)
                for reason, count in counts.dropped.items():
                    dropped.add_metric([counts.source, reason], count)
        backlog = GaugeMetricFamily("siem_queue_backlog_records", "Records received durably and not yet processed")
        backlog.add_metric([], max(0, self._queue.last_sequence - self._pipeline.position))
        trouble = GaugeMetricFamily("siem_pipeline_in_trouble", "1 while the pipeline cannot go on and tries again")
        trouble.add_metric([], float(self._pipeline.trouble is not None))
        for source in self._silences.sources:
            silent.add_metric([source.name], float(source.is_silent(heard_at.get(source.name), self._silences.clock())))
        return (received, stored, duplicate, dropped, silent, backlog, trouble, *self._retention(), *self._detection())

    def _retention(self) -> Iterable[Metric]:
        """What was removed after its time, and whether nothing is, because the clock is in doubt."""
        removed = CounterMetricFamily("siem_retention_removed", "Records and events removed after their time", labels=["purpose"])
        doubt = GaugeMetricFamily("siem_retention_clock_in_doubt", "1 while nothing is removed because the clock is in doubt")
        with self._database.reading() as connection:
            for purpose, count in retention.removed_counts(connection).items():
                removed.add_metric([purpose], count)
            clock = retention.read_clock(connection)
        doubt.add_metric([], float(clock is not None and clock[1] is not None))
        return (removed, doubt)

    def _detection(self) -> Iterable[Metric]:
        """What the engine lost, saw late or out of its time since it was made (each should stay at zero), and what each rule costs."""
        engine = self._pipeline.engine
        late = CounterMetricFamily("siem_events_late", "Events later than the allowed lateness, by source", labels=["source"])
        ahead = CounterMetricFamily("siem_events_ahead", "Events dated in the future, by source", labels=["source"])
        wrong = CounterMetricFamily(
            "siem_rule_index_disagreements", "Events that the index judged otherwise than the rule", labels=["rule"]
        )
        lost = CounterMetricFamily("siem_correlation_matches_lost", "Matches forgotten because a correlation was full", labels=["rule"])
        verified = CounterMetricFamily("siem_events_verified", "Events for which the index was compared with every rule", labels=[])
        out = GaugeMetricFamily(
            "siem_rule_out_of_force", "1 for a rule that takes too long and judges nothing until it is put back", labels=["rule"]
        )
        unjudged = CounterMetricFamily("siem_rule_events_unjudged", "Events that a rule out of force has not judged", labels=["rule"])
        evaluated = CounterMetricFamily("siem_rule_evaluations", "Events for which a rule was evaluated in full", labels=["rule"])
        matched = CounterMetricFamily("siem_rule_matches", "Matches of a rule", labels=["rule"])
        cpu = CounterMetricFamily("siem_rule_cpu_seconds", "Processor time of a rule's evaluations, from a sample", labels=["rule"])
        unseen = GaugeMetricFamily("siem_source_fields_unseen", "Fields that rules name and the source never had", labels=["source"])
        if engine is not None:
            verified.add_metric([], engine.verified_count)
            for rule in engine.out_of_force:
                out.add_metric([rule.rule_id], 1)
                unjudged.add_metric([rule.rule_id], rule.event_count)
            for profile in engine.profiles.rules():
                if profile.evaluated_count or profile.match_count:
                    evaluated.add_metric([profile.rule_id], profile.evaluated_count)
                    matched.add_metric([profile.rule_id], profile.match_count)
                    cpu.add_metric([profile.rule_id], profile.cpu_seconds)
            for source, count in Counter(one.source for one in engine.profiles.unseen()).items():
                unseen.add_metric([source], count)
            for family, counts in ((late, engine.late_counts), (ahead, engine.ahead_counts), (wrong, engine.disagreement_counts)):
                for label, count in counts.items():
                    family.add_metric([label], count)
            for alarm in engine.alarms:
                lost.add_metric([alarm.rule_id], alarm.lost_count)
        return (late, ahead, wrong, lost, verified, out, unjudged, evaluated, matched, cpu, unseen)


def exposition(database: Database, queue: Queue, pipeline: Pipeline, silences: Silences) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Watch(database, queue, pipeline, silences))
    return generate_latest(registry)


def route(
    database: Database,
    queue: Queue,
    pipeline: Pipeline,
    api_keys: Mapping[str, str],
    sources: Sequence[SourceSettings],
    clock: Callable[[], datetime],
) -> Callable[[Request], Response]:
    """Answers whoever has the key whose SHA-256, in hex, stands under ``metrics``; nobody where none does."""
    expected, silences = api_keys.get("metrics", ""), Silences(sources, clock)

    def exposed(request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(key.strip().encode()).hexdigest()
        if scheme.lower() != "apikey" or not expected or not hmac.compare_digest(digest, expected.lower()):
            return JSONResponse({"error": "unauthorized"}, 401, {"www-authenticate": 'ApiKey realm="metrics"'})
        return Response(exposition(database, queue, pipeline, silences), media_type="text/plain; version=0.0.4; charset=utf-8")

    return exposed
