"""Puts the provider together: stores, keys, audit, endpoints, error handlers and protective headers."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from idp.authentication import METHODS, Method, best_acr
from idp.authentication.card_certificate import Cards, open_cards
from idp.authentication.places import Places, read_places
from idp.authorization_details import read_detail_types
from idp.client_auth import Authenticator
from idp.client_keys import ClientKeys
from idp.clock import Clock
from idp.endpoints import (
    assets,
    authorization,
    backchannel_authentication,
    check_session,
    client_registration,
    consent,
    developers,
    device_authorization,
    device_verification,
    discovery,
    end_session,
    event_poll,
    health,
    introspection,
    jwks,
    login,
    my_sessions,
    phone,
    pushed_authorization,
    revocation,
    shared_signals,
    token,
    userinfo,
)
from idp.endpoints.faults import ERROR_HANDLERS, answer_bug, answer_framework, answer_invalid, answer_missing
from idp.endpoints.pages import pages
from idp.housekeeping import chores
from idp.http import BodyCap, BrowserHost, ForwardedCertificates, PlainRoutes, ProtectiveHeaders, Sources
from idp.keys.security_module import signing_token
from idp.model import KeptRefusals, Lifetimes, Limits
from idp.outbound import Outbound
from idp.pace import Pace
from idp.provider import Provider
from idp.settings import Settings
from idp.state import KeyPlaces, State, open_state
from idp.store import Store
from idp.subject_issuers import SubjectIssuers, read_subject_issuers
from idp.tokens import Issuer
from idp.tracing import RequestIds, Requests

_LOG = logging.getLogger("idp")
#: Largest body of any request, in bytes (an administration call).
_MAX_BODY_BYTES = 262_144
#: Endpoints that a client assertion may name under the switch ``legacy`` (RFC 7523 §3, CIBA §7.1).
_ASSERTED: Final = ("token", "token/introspect", "revoke", "ext/par/request", "ext/ciba/auth", "auth/device")


class _Framework:
    """The administration and control APIs, on FastAPI: imported and built off the way of the first answer."""

    PATHS = ("/admin/", "/control/")
    ADMINISTRATION = "/admin/"
    #: The administration pages, on their own port alone.
    PAGES = "/administration"

    def __init__(self, provider: Provider, *, described: bool) -> None:
        self._provider = provider
        self._openapi_url = "/admin/v1/openapi.json" if described else None
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    def build(self) -> ASGIApp:
        """Takes about half a second of imports, so call it in a thread."""
        with self._lock:
            if self._app is None:
                from fastapi import FastAPI
                from fastapi.exceptions import RequestValidationError

                from idp.endpoints import administration, console, control, registry_administration

                app = FastAPI(title="Veilleur", docs_url=None, redoc_url=None, openapi_url=self._openapi_url, redirect_slashes=False)
                app.state.provider = self._provider
                for family, handler in {**ERROR_HANDLERS, Exception: answer_bug}.items():
                    app.add_exception_handler(family, handler)
                app.add_exception_handler(RequestValidationError, answer_invalid)
                app.add_exception_handler(HTTPException, answer_framework)
                app.include_router(administration.router)
                app.include_router(registry_administration.router)
                if self._provider.admin_base_url:
                    app.router.routes.extend(console.routes)
                if self._provider.control_api:
                    app.include_router(control.router)
                self._app = app
                return app
            return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if app is None:
            app = await asyncio.to_thread(self.build)
        await app(scope, receive, send)


class _Application(Starlette):
    """Our own front (protective headers, the cap on bodies, routes by path), then Starlette's router, then the framework."""

    front: ASGIApp
    framework: _Framework
    on_complete: Callable[[], object]
    #: The port that has the administration API, metrics and health to itself, and what answers there; None: there is none.
    own_port: int | None
    administration: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        # The port that the connection came in by, which nobody can say otherwise.
        own = self.own_port is not None and scope["server"][1] == self.own_port
        await (self.administration if own else self.front)(scope, receive, send)

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the look-up by path leaves over: the framework's APIs, static files, HEAD, 404, and 405 with its Allow header."""
        if scope["path"].startswith(_Framework.PATHS) and not (self.own_port and scope["path"].startswith(_Framework.ADMINISTRATION)):
            await self.framework(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    settings: Settings, *, store: Store | None = None, clock: Clock | None = None, on_complete: Callable[[], object] = lambda: None
) -> Starlette:
    """The whole application. Tests give a store and a clock; otherwise both are made from ``settings``.

    ``on_complete`` is called once what is built off the way of the first answer is there too.
    Raises :class:`OperationError` when the state folder, the store or the seal key cannot be used.
    """
    provider = build_provider(settings, store=store, clock=clock)
    routes = _plain_routes(provider)
    app = _Application(routes=routes, lifespan=_lifespan, exception_handlers={**ERROR_HANDLERS, HTTPException: answer_missing})
    # Starlette would send «/auth/» to «/auth» by 307 at whatever host the Host header names (RFC 9700 §4.12).
    app.router.redirect_slashes = False
    app.state.provider = provider
    app.own_port = settings.admin_port
    app.on_complete = on_complete
    app.framework = _Framework(provider, described=app.own_port is not None)
    requests = Requests()
    handlers = {**ERROR_HANDLERS, Exception: answer_bug}
    plain = PlainRoutes(app.behind, routes=routes, error_handlers=handlers, observe=requests)
    app.front = _fronted(_on_one_host(plain, provider), provider)
    own = [*health.routes(), Route("/metrics", partial(_metrics, requests), methods=["GET"])]
    app.administration = _fronted(PlainRoutes(_administration_of(app, own), routes=own, error_handlers=handlers), provider)
    return app


def _fronted(app: ASGIApp, provider: Provider) -> ASGIApp:
    """What stands before every answer, whichever port it leaves by."""
    return RequestIds(ProtectiveHeaders(BodyCap(app, max_bytes=_MAX_BODY_BYTES), https=provider.https))


def _on_one_host(app: ASGIApp, provider: Provider) -> ASGIApp:
    """Where the issuer has a host of its own, browsers still have one."""
    if provider.issuer_url == provider.base_url:
        return app
    endpoints = f"{urlsplit(provider.issuer).path.rstrip('/')}/protocol/openid-connect"
    paths = [f"{endpoints}/{name}" for name in ("auth", "logout", "login-status-iframe.html")]
    return BrowserHost(app, base_url=provider.base_url, issuer_host=urlsplit(provider.issuer).netloc, paths=[*paths, "/auth"])


def _administration_of(app: _Application, own: Sequence[BaseRoute]) -> ASGIApp:
    # What PlainRoutes serves is here too, for the methods that it does not have; neither sends anybody elsewhere.
    static = Router([*assets.routes, *own], redirect_slashes=False)

    async def administration(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith((_Framework.ADMINISTRATION, f"{_Framework.PAGES}/")) or path == _Framework.PAGES:
            await app.framework(scope, receive, send)
            return
        try:
            await static(scope, receive, send)
        except HTTPException as error:
            response = await answer_missing(Request(scope, receive), error)
            await response(scope, receive, send)

    return administration


async def _metrics(requests: Requests, request: Request) -> Response:
    # Imported when first asked for: most starts have nobody who asks.
    from idp.metrics import exposition

    return Response(exposition(request.app.state.provider, requests), media_type="text/plain; version=0.0.4")


def _plain_routes(provider: Provider) -> list[BaseRoute]:
    realm = urlsplit(provider.issuer).path.rstrip("/")
    return [
        *token.routes(realm),
        *backchannel_authentication.routes(realm),
        *device_authorization.routes(realm),
        *(client_registration.routes(realm) if provider.client_registration else []),
        *introspection.routes(realm),
        *userinfo.routes(realm),
        *jwks.routes(realm),
        *discovery.routes(
            realm,
            discovery.document(
                discovery.metadata(
                    provider.issuer,
                    provider.base_url,
                    best_acr=best_acr(provider.methods),
                    mtls_base_url=provider.mtls_base_url,
                    mtls=provider.certificates.offered,
                    registration=provider.client_registration,
                    detail_types=provider.detail_types.names,
                ),
                psc_values=provider.discovery_psc_values,
            ),
            provider.discovery_paths,
        ),
        *authorization.routes(realm),
        *pushed_authorization.routes(realm),
        *phone.routes,
        *login.routes,
        *consent.routes,
        *my_sessions.routes,
        *developers.routes,
        *device_verification.routes,
        *revocation.routes(realm),
        *end_session.routes(realm),
        *check_session.routes(realm),
        *shared_signals.routes(provider.issuer),
        *event_poll.routes(),
        *health.routes(),
        *assets.routes,
    ]


def build_provider(settings: Settings, *, store: Store | None = None, clock: Clock | None = None) -> Provider:
    """The provider's parts; keys are read when the application starts (:func:`_lifespan`)."""
    clock = clock or Clock(lambda: datetime.now(UTC), start_at=settings.clock_start)
    state = open_state(
        settings.state,
        places=KeyPlaces(
            seal_key=settings.seal_key,
            may_create_seal_key=settings.development,
            token=signing_token(settings.pkcs11_module, settings.pkcs11_label, settings.pkcs11_pin_file),
        ),
        issuer=settings.issuer,
        clock=clock,
        synchronous=settings.store_synchronous,
        store=store,
    )
    limits = _limits(settings)
    sources = Sources(settings.trusted_proxies)
    outbound = Outbound(allow_loopback=settings.outbound_loopback, authorities=settings.outbound_authorities_file)
    client_keys = ClientKeys(outbound, clock)
    return Provider(
        store=state.store,
        clock=clock,
        audit=state.audit,
        keys=state.keys,
        tokens=Issuer(state.keys, clock, issuer=settings.issuer),
        clients=_authenticator(settings, state, client_keys, limits),
        client_keys=client_keys,
        sources=sources,
        certificates=ForwardedCertificates(sources, settings.client_certificate_header, settings.client_certificate_verify_header),
        methods=_methods(settings),
        cards=_cards(settings),
        places=read_places(settings.geography_file) if settings.geography_file else Places(),
        subject_issuers=SubjectIssuers(outbound, read_subject_issuers(settings.subject_issuers_file)),
        detail_types=read_detail_types(settings.authorization_details_file),
        lifetimes=_lifetimes(settings),
        limits=limits,
        authorization_pace=Pace(settings.authorization_limit_count, timedelta(minutes=1)),
        kept_refusals=_kept_refusals(settings),
        outbound=outbound,
        delivery_horizon=settings.delivery_horizon,
        base_url=settings.base_url,
        card_base_url=settings.card_base_url,
        mtls_base_url=settings.mtls_base_url,
        issuer=settings.issuer,
        admin_base_url=settings.admin_base_url,
        administrators=frozenset(settings.administrators),
        client_registration=settings.client_registration,
        discovery_paths=settings.discovery_paths,
        discovery_psc_values=settings.discovery_psc_values,
        development=settings.development,
        control_api=bool(settings.control_api),
    )


def _methods(settings: Settings) -> Mapping[str, Method]:
    """The means of login that are there, with what the operator says they yield."""
    yielded = {"device": Method(settings.device_amr, settings.device_acr), "certificate": Method(settings.card_amr, settings.card_acr)}
    return {name: yielded[name] for name in METHODS if name != "certificate" or settings.card_base_url}


def _cards(settings: Settings) -> Cards | None:
    if settings.card_authorities_file is None:
        return None
    return open_cards(settings.card_authorities_file, settings.card_revocations_file, settings.card_identifier)


def _authenticator(settings: Settings, state: State, client_keys: ClientKeys, limits: Limits) -> Authenticator:
    return Authenticator(
        store=state.store,
        keys=client_keys,
        audit=state.audit,
        limits=limits,
        issuer=settings.issuer,
        endpoints=frozenset(f"{settings.issuer}/protocol/openid-connect/{path}" for path in _ASSERTED),
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        session_idle=settings.session_idle,
        session_max=settings.session_max,
        approval=settings.approval_lifetime,
        consent=settings.consent_lifetime,
    )


def _kept_refusals(settings: Settings) -> KeptRefusals:
    return KeptRefusals(
        memory=settings.refusal_memory,
        client_count=settings.refusal_client_limit_count,
        source_count=settings.refusal_source_limit_count,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        window=settings.attempt_window,
        client_failure_count=settings.client_failure_limit_count,
        account_attempt_count=settings.account_attempt_limit_count,
        source_attempt_count=settings.source_attempt_limit_count,
    )


@contextlib.asynccontextmanager
async def _lifespan(app: _Application) -> AsyncIterator[None]:
    """Open the keys (a development provider makes its own), keep house while running, close in order."""
    provider: Provider = app.state.provider
    await provider.store.migrate()
    await provider.keys.load()
    if provider.development:
        await provider.keys.create_missing()
    house = [asyncio.create_task(work) for work in (_complete(app), *chores(provider))]
    try:
        yield
    finally:
        for task in house:
            task.cancel()
        await asyncio.gather(*house, return_exceptions=True)
        await provider.store.close()
        provider.keys.close()
        provider.audit.close()


async def _complete(app: _Application) -> None:
    """Import, read and build what no first answer needs."""
    await asyncio.to_thread(app.framework.build)
    await asyncio.to_thread(pages)
    app.on_complete()
