"""What the provider says of itself to Prometheus: numbers alone, labels from closed lists, nothing about anybody.

Requests are counted by the path of their route (never the path that was asked for), audit events by action and outcome.
"""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from idp.keys.signing_key import ALGORITHMS
from idp.provider import Provider
from idp.tracing import BOUNDS, Requests


class _Provider(Collector):
    def __init__(self, provider: Provider, requests: Requests, now: datetime) -> None:
        self._provider, self._requests, self._now = provider, requests, now

    def collect(self) -> Iterable[Metric]:
        return (*self._answers(), self._events(), self._keys())

    def _answers(self) -> Iterable[Metric]:
        answered = CounterMetricFamily("idp_http_requests", "Answers", labels=["route", "status"])
        for (route, status), count in self._requests.statuses.items():
            answered.add_metric([route, str(status)], count)
        took = HistogramMetricFamily("idp_http_request_seconds", "Time from a request's head to its answer", labels=["route"])
        for route, counts in self._requests.buckets.items():
            total, rows = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
                total += count
                rows.append((bound, float(total)))
            took.add_metric([route], rows, self._requests.seconds[route])
        return answered, took

    def _events(self) -> Metric:
        events = CounterMetricFamily("idp_audit_events", "Audit events since the start", labels=["action", "outcome"])
        for (action, outcome), count in self._provider.audit.counts.items():
            events.add_metric([action, outcome], count)
        return events

    def _keys(self) -> Metric:
        ages = GaugeMetricFamily("idp_signing_key_age_seconds", "Since when the key that signs now has signed", labels=["alg"])
        for alg in ALGORITHMS:
            ages.add_metric([alg], (self._now - self._provider.keys.signer(alg).active_at).total_seconds())
        return ages


def exposition(provider: Provider, requests: Requests) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Provider(provider, requests, provider.clock()))
    return generate_latest(registry)
