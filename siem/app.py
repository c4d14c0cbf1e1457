"""Puts the watch together: stores, sources, detection, incidents, response, declarations, console; and its threads.

:func:`build` makes the parts without starting anything; :func:`create_app` serves them over HTTP and runs, for as long as
the server does, its threads: one follows the files, one is the pipeline, one advances playbooks and filings, one looks back with new
rules, one removes what has been kept long enough.
"""

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from siem import console, metrics, upkeep
from siem.access import Principal
from siem.briefing import facts_of
from siem.console import users
from siem.declarations.desk import Desk
from siem.declarations.desk_api import desk_routes
from siem.declarations.establishments import load_establishments
from siem.declarations.filing import FilingClient
from siem.declarations.forms import Forms, load_forms
from siem.declarations.model import Dossier
from siem.declarations.receipt import ReceiptSigner
from siem.declarations.service import Dossiers
from siem.detection import Limit, Rule, pipelines
from siem.detection.cache import Cache
from siem.detection.clocks import Feeder
from siem.detection.compiled import compiled_rules
from siem.detection.documents import Document
from siem.detection.engine import Engine
from siem.detection.folders import OWN, watch_folders
from siem.detection.live import LiveRules
from siem.detection.load import Ruleset
from siem.detection.profile import every
from siem.door import Door
from siem.enrichment.parts import load_enrichments
from siem.enrichment.pseudonyms import Pseudonyms, load_key, resolver
from siem.errors import DataError
from siem.evidence import EvidenceStore, collector
from siem.history import looking_back, trials
from siem.history.learning import Learning
from siem.history.questions import History
from siem.incidents.model import Incident
from siem.incidents.service import Incidents
from siem.incidents.suppression import AlertPolicy
from siem.indicators import sets
from siem.inputs.api_keys import key_of, load_api_keys
from siem.inputs.file import FileInput, follow
from siem.inputs.http import HttpInput, HttpSource
from siem.inputs.security_events import IssuerKeys, SecurityEventInput
from siem.pipeline import Parts, Pipeline
from siem.response import actions
from siem.response.action import Services
from siem.response.identity_provider import IdentityProvider
from siem.response.load import load_playbooks
from siem.response.runs import Runs
from siem.retention import keeper as retention
from siem.retention.store import Purpose
from siem.settings import Settings
from siem.sources import SOURCES
from siem.sources.configuration import load_sources
from siem.sources.source import SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore
from siem.store.migrations import migrate
from siem.store.queue import Queue
from siem.tuning.proposal import Tuning

_log = logging.getLogger(__name__)
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is on the disk."""

    database: Database
    queue: Queue
    events: EventStore
    evidence: EvidenceStore

    def close(self) -> None:
        """Close them, newest data first on the disk."""
        self.events.close()
        self.queue.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class Watch:
    """The parts, put together and at rest. ``configuration_errors`` are rules, playbooks and forms left out, each named."""

    settings: Settings
    clock: Clock
    stores: Stores
    rules: LiveRules
    tuning: Tuning
    pipeline: Pipeline
    history: History
    looking_back: looking_back.LookingBack
    retention: retention.Keeper
    trials: trials.Trials
    files: tuple[FileInput, ...]
    incidents: Incidents
    runs: Runs
    dossiers: Dossiers
    desk: Desk
    sources: tuple[SourceSettings, ...]
    api_keys: Mapping[str, str]
    configuration_errors: tuple[DataError, ...]
    #: Opens an incident's dossier, or brings it up to date, with everything the watch knows.
    open_dossier: Callable[[Incident, Principal], Dossier]


def build(settings: Settings, *, clock: Clock | None = None) -> Watch:
    """Make the parts; nothing runs yet.

    Raises DataError when a file of the configuration is wrong as a whole (a single bad rule, playbook or form is left out
    and listed), OperationError when a store cannot be opened.
    """
    clock = clock or (lambda: datetime.now(UTC))
    sources = tuple(load_sources(settings.sources_file, SOURCES, silent_after=timedelta(seconds=settings.source_silence_seconds)))
    api_keys = load_api_keys(settings.api_keys_file)
    stores = _open_stores(settings)
    rules = LiveRules(lambda more: _load_rules(settings, sources, more))
    incidents = _incidents(settings, stores.database, clock, rules)
    forms = load_forms(settings.playbooks / "declarations")
    dossiers = _dossiers(settings, stores.database, clock, forms)

    def open_dossier(incident: Incident, actor: Principal) -> Dossier:
        facts = facts_of(incident, incidents=incidents, runs=runs, events=stores.events, evidence=stores.evidence)
        return dossiers.open_for_incident(None, incident, actor, facts)

    library = load_playbooks(settings.playbooks / "response", settings.playbooks / "schema" / "response.schema.json", actions.ACTIONS)
    services = _services(settings, stores, lambda incident, actor: open_dossier(incident, actor).id)
    runs = Runs(stores.database, clock, actions.build(services), library.playbooks, incidents)
    pipeline, parts, learning = _pipeline(settings, stores, clock, sources, rules, incidents, runs)
    busy = _busy(settings, stores, pipeline)
    return Watch(
        settings=settings,
        clock=clock,
        stores=stores,
        rules=rules,
        tuning=_tuning(settings, stores, clock, rules, pipeline),
        pipeline=pipeline,
        history=_history(settings, stores, rules, sources),
        looking_back=_look_back(settings, parts, rules, busy, learning),
        retention=_retention(settings, stores, clock, pipeline, busy),
        trials=_trials(settings, stores, rules, clock, busy),
        files=tuple(FileInput(s.name, s.file, stores.queue, clock, tenant=s.tenant) for s in sources if s.file is not None),
        incidents=incidents,
        runs=runs,
        dossiers=dossiers,
        desk=_desk(settings, stores.database, clock, forms),
        sources=sources,
        api_keys=api_keys,
        configuration_errors=(*rules.current.errors, *library.errors, *forms.errors),
        open_dossier=open_dossier,
    )


def _pipeline(
    settings: Settings, stores: Stores, clock: Clock, sources: Sequence[SourceSettings], rules: LiveRules, incidents: Incidents, runs: Runs
) -> tuple[Pipeline, Parts, Learning]:
    """The way of a record, what it works with, and what hands on to it what baselines learn."""
    learning = Learning(stores.events, stores.database, clock, timedelta(seconds=settings.lateness_seconds))
    parts = Parts(
        queue=stores.queue,
        events=stores.events,
        database=stores.database,
        sources={source.name: SOURCES[source.type](source) for source in sources},
        enrichments=load_enrichments(settings.geography_file, settings.directory_file),
        pseudonyms=Pseudonyms(load_key(settings.state / "keys" / "pseudonyms.key")),
        make_engine=lambda: _engine(settings, rules.current, sources, clock),
        incidents=incidents,
        propose=runs.propose,
        adopt=learning.adopt,
        adopted=learning.commit,
    )
    return Pipeline(parts, clock=clock, batch_count=settings.batch_count), parts, learning


def _engine(settings: Settings, ruleset: Ruleset, sources: Sequence[SourceSettings], clock: Clock) -> Engine:
    lateness = timedelta(seconds=settings.lateness_seconds)
    feeders = [Feeder(source.name, source.type, source.tenant, source.silent_after) for source in sources]
    engine = Engine(ruleset, lateness=lateness, sources=feeders, clock=clock, verify_every=every(settings.verify_sample_ratio))
    engine.keep_in(Cache.of_watch(settings.state))
    engine.indicators.book = sets.of_watch(settings.state)
    return engine


def _incidents(settings: Settings, database: Database, clock: Clock, rules: Mapping[str, Rule]) -> Incidents:
    limit = Limit(settings.alert_limit_count, settings.alert_limit_seconds, settings.alert_silence_seconds)
    alerting = AlertPolicy(limit, timedelta(days=settings.risk_half_life_days), settings.entity_risk_count)
    incidents = Incidents(database, clock, rules, threshold=settings.incident_risk_count, alerting=alerting)
    incidents.keep_risks()
    return incidents


def _tuning(settings: Settings, stores: Stores, clock: Clock, rules: LiveRules, pipeline: Pipeline) -> Tuning:
    def written() -> None:
        rules.renew()
        pipeline.renew()

    return Tuning(stores.database, stores.events, rules.load, settings.state / OWN, clock, written)


def _history(settings: Settings, stores: Stores, rules: LiveRules, sources: Sequence[SourceSettings]) -> History:
    load = lambda documents: _load_rules(settings, sources, (), documents) if documents else rules.current  # noqa: E731  # the name says what a bare argument would not
    return History(stores.events, load, lambda: sets.of_watch(settings.state))


def _load_rules(settings: Settings, sources: Sequence[SourceSettings], more: Sequence[Path], instead: Sequence[Document] = ()) -> Ruleset:
    """The rules as these sources' events are read; what is wrong with a pipeline is said with what is wrong with a rule."""
    known = pipelines.load_pipelines(settings.state / pipelines.OWN)
    folders = watch_folders(settings.rules, settings.state, settings.extra_rules)
    fed = known.fed_by({source.type for source in sources})
    ruleset = compiled_rules(*folders, *more, cache=Cache.of_watch(settings.state), sources=fed, instead=instead)
    return replace(ruleset, errors=(*known.errors, *ruleset.errors))


def _look_back(
    settings: Settings, parts: Parts, rules: LiveRules, busy: Callable[[], bool], learning: Learning
) -> looking_back.LookingBack:
    """New and changed rules, and what came to sets of indicators, over what is stored, while no record waits."""
    days = timedelta(days=settings.history_days)
    budget = looking_back.Budget(days, settings.history_rule_cpu_seconds, settings.history_cpu_seconds, settings.history_alert_count)
    own = sets.of_watch(settings.state)
    return looking_back.LookingBack(looking_back.parts_of(parts, lambda: rules.current, learning, busy, own), budget)


def _busy(settings: Settings, stores: Stores, pipeline: Pipeline) -> Callable[[], bool]:
    """Whether more records wait than one batch takes."""
    return lambda: stores.queue.last_sequence - pipeline.position > settings.batch_count


def _retention(settings: Settings, stores: Stores, clock: Clock, pipeline: Pipeline, busy: Callable[[], bool]) -> retention.Keeper:
    days = {
        Purpose.SECURITY: settings.event_retention_days,
        Purpose.ACCESS: settings.access_retention_days,
        Purpose.RAW: settings.raw_retention_days,
        Purpose.ALERTS: settings.alert_retention_days,
    }
    parts = retention.Parts(
        database=stores.database,
        events=stores.events,
        queue=stores.queue,
        clock=clock,
        processed_up_to=lambda: pipeline.position,
        busy=busy,
    )
    return retention.Keeper(parts, {purpose: timedelta(days=count) for purpose, count in days.items()})


def _trials(settings: Settings, stores: Stores, rules: LiveRules, clock: Clock, busy: Callable[[], bool]) -> trials.Trials:
    state = settings.state
    parts = trials.Parts(events=stores.events, rules=lambda: rules.current, clock=clock, book=lambda: sets.of_watch(state), busy=busy)
    return trials.Trials(parts, budget_seconds=settings.history_rule_cpu_seconds)


def _open_stores(settings: Settings) -> Stores:
    state = settings.state
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate(url := f"sqlite:///{state / 'watch.sqlite'}")
    return Stores(
        Database(url, synchronous=settings.store_synchronous),
        Queue(state / "queue.sqlite", synchronous=settings.store_synchronous),
        EventStore(state / "events.duckdb"),
        EvidenceStore(state / "evidence"),
    )


def _dossiers(settings: Settings, database: Database, clock: Clock, forms: Forms) -> Dossiers:
    filing = FilingClient(settings.desk_url or f"http://127.0.0.1:{settings.port}", settings.desk_api_key.get_secret_value())
    establishments = load_establishments(settings.establishments_file) if settings.establishments_file else {}
    return Dossiers(database, clock, forms, filing=filing, establishments=establishments)


def _desk(settings: Settings, database: Database, clock: Clock, forms: Forms) -> Desk:
    schema = settings.playbooks / "declarations" / "schema" / "dossier-declaration-ssi-sante-1.0.schema.json"
    signer = ReceiptSigner.from_folder(settings.state / "keys")
    return Desk(database, clock, signer, forms, schema=schema, issuer=f"{settings.base_url}/guichet")


def _services(settings: Settings, stores: Stores, open_dossier: Callable[[Incident, Principal], str]) -> Services:
    """What playbooks act through."""
    return Services(
        database=stores.database,
        evidence=stores.evidence,
        identity_provider=IdentityProvider(
            settings.idp_admin_url,
            f"{settings.oidc_issuer}/protocol/openid-connect/token",
            settings.idp_client_id,
            settings.idp_client_secret.get_secret_value(),
        ),
        resolve=resolver(stores.database),
        collect=collector(stores.events, stores.queue),
        open_dossier=open_dossier,
    )


def create_app(settings: Settings, *, clock: Clock | None = None) -> Starlette:
    """The whole watch as an application; its threads run while it is served. Raises as :func:`build`."""
    watch = build(settings, clock=clock)
    for error in watch.configuration_errors:
        _log.error("left out: %s", error)
    stop = threading.Event()
    app = Starlette(lifespan=_lifespan(watch, stop))
    app.state.watch = watch
    app.router.routes.extend(_doors(watch))
    app.router.routes.extend(desk_routes(watch.desk, {name: key for name, key in watch.api_keys.items() if name.startswith("guichet")}))
    app.router.routes.extend(_own_routes(watch))
    console.mount(
        app,
        console.Services(
            database=watch.stores.database,
            clock=watch.clock,
            provider=console.Provider(
                settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret.get_secret_value(), settings.base_url
            ),
            incidents=watch.incidents,
            runs=watch.runs,
            dossiers=watch.dossiers,
            events=watch.stores.events,
            rules=watch.rules,
            ruleset=lambda: watch.rules.current,
            profiles=lambda: watch.pipeline.engine.profiles if watch.pipeline.engine else None,
            tuning=watch.tuning,
            trials=watch.trials,
            sources=watch.sources,
            backlog=lambda: max(0, watch.stores.queue.last_sequence - watch.pipeline.position),
            desk=watch.desk,
            open_dossier=watch.open_dossier,
            granting_contact=settings.granting_contact,
            indicators=settings.state / sets.FOLDER,
            closing=stop.is_set,
            alarms=lambda: engine.alarms if (engine := watch.pipeline.engine) is not None else (),
            out_of_force=lambda: engine.out_of_force if (engine := watch.pipeline.engine) is not None else (),
            put_back=lambda rule_id: (engine := watch.pipeline.engine) is not None and engine.put_back(rule_id),
        ),
    )
    return app


def _doors(watch: Watch) -> list[BaseRoute]:
    """Where records arrive by HTTP. Security events have a door of their own, which verifies them; the others do not know their sources."""
    by_type = {s.name: s.type for s in watch.sources if s.http}
    known = {s.name: HttpSource(s.name, key_of(s.name, watch.api_keys), s.tenant) for s in watch.sources if s.http}
    events = {name: source for name, source in known.items() if by_type[name] == "caep"}
    issuer, queue = watch.settings.oidc_issuer, watch.stores.queue
    signed = SecurityEventInput(queue, events, watch.clock, IssuerKeys(issuer), issuer=issuer, audience=watch.settings.idp_client_id)
    plain = HttpInput(queue, {name: source for name, source in known.items() if name not in events}, watch.clock)
    return [*signed.routes(), *plain.routes()]


def _lifespan(watch: Watch, stop: threading.Event) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def run(_app: Starlette) -> AsyncIterator[None]:
        if watch.settings.users_file is not None:
            users.apply(watch.stores.database, watch.settings.users_file)
        threads = [
            threading.Thread(target=follow, args=(watch.files, stop), name="files"),
            threading.Thread(target=watch.pipeline.run, args=(stop,), name="pipeline"),
            threading.Thread(target=upkeep.advance, args=(watch.runs, watch.dossiers, watch.clock, stop), name="response"),
            threading.Thread(target=watch.looking_back.run, args=(stop,), name="history"),
            threading.Thread(target=watch.retention.run, args=(stop,), name="retention"),
            threading.Thread(target=watch.trials.run, args=(stop,), name="trials"),
        ]
        door = Door(watch.settings.state, watch.history.answer)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            door.close()
            watch.stores.queue.wake()
            for thread in threads:
                thread.join()
            watch.stores.close()

    return run


def _own_routes(watch: Watch) -> list[BaseRoute]:
    def health(_request: Request) -> Response:
        """Whether records are being processed; says nothing of why not, that is in the log."""
        healthy = watch.pipeline.trouble is None
        return JSONResponse({"status": "ok" if healthy else "degraded"}, 200 if healthy else 503, {"cache-control": "no-store"})

    exposed = metrics.route(watch.stores.database, watch.stores.queue, watch.pipeline, watch.api_keys, watch.sources, watch.clock)
    return [Route("/health", health), Route("/metrics", exposed)]
