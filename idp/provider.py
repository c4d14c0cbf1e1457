"""The provider as endpoints see it: one frozen object of what ``create_app`` has put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit

from starlette.requests import Request

from idp.audit import AuditLog
from idp.authentication import Method
from idp.authentication.card_certificate import Cards
from idp.authentication.places import Places
from idp.authorization_details import DetailTypes
from idp.client_auth import Authenticator
from idp.client_keys import ClientKeys
from idp.clock import Clock
from idp.http import ForwardedCertificates, Sources
from idp.keys import KeyRing
from idp.model import KeptRefusals, Lifetimes, Limits
from idp.outbound import Outbound
from idp.pace import Pace
from idp.store import Store
from idp.subject_issuers import SubjectIssuers
from idp.tokens import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Endpoints take it from ``request.app.state.provider`` by :func:`provider_of`."""

    store: Store
    clock: Clock
    audit: AuditLog
    keys: KeyRing
    tokens: Issuer
    clients: Authenticator
    client_keys: ClientKeys
    sources: Sources
    certificates: ForwardedCertificates
    #: The means of login that are offered, by name, with what each yields; the first is proposed where all would do.
    methods: Mapping[str, Method]
    #: Cards that are taken, where the method ``certificate`` is offered.
    cards: Cards | None
    #: Where an address is, shown to the person on the phone.
    places: Places
    #: Types of authorization details (RFC 9396), described by the operator.
    detail_types: DetailTypes
    #: Other providers whose tokens can be exchanged.
    subject_issuers: SubjectIssuers
    lifetimes: Lifetimes
    limits: Limits
    #: Of each network at the authorization endpoint.
    authorization_pace: Pace
    #: For how long and how many refused requests are kept for the developers of their clients.
    kept_refusals: KeptRefusals
    outbound: Outbound
    #: For how long a message to a service is tried.
    delivery_horizon: timedelta
    #: Without final slash.
    base_url: str
    #: Where the proxy asks browsers for the certificate of a card, without final slash; empty when nobody logs in by card.
    card_base_url: str
    #: Where clients connect with a certificate (``mtls_endpoint_aliases``), without final slash; empty when there is no such place.
    mtls_base_url: str
    issuer: str
    #: Where the administration pages are, without final slash; empty when there is no port for them.
    admin_base_url: str
    #: National identifiers of those who may enter them.
    administrators: frozenset[str]
    #: Clients may register themselves, with an initial access token.
    client_registration: bool
    #: Under which names the metadata is served (:data:`idp.endpoints.discovery.PATHS`).
    discovery_paths: str
    #: Whether it says what Pro Santé Connect's says, true or not (:mod:`idp.endpoints.psc_discovery`).
    discovery_psc_values: bool
    development: bool
    #: The control API answers (tests); never true in production.
    control_api: bool
    #: What tests of services ordered through it, by client_id (:mod:`idp.endpoints.spoiled`).
    spoiled: dict[str, str] = field(default_factory=dict)

    @property
    def issuer_url(self) -> str:
        """Scheme and host of the issuer, without final slash: ``base_url``, or the second host."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def https(self) -> bool:
        """Whether browsers reach us over TLS: decides cookie names and flags."""
        return self.base_url.startswith("https:")

    @property
    def pin_pepper(self) -> bytes:
        """Secret (32 bytes) under which device PINs are kept."""
        return self.keys.pepper("device-pin")


def provider_of(request: Request) -> Provider:
    """The provider that serves this request."""
    return cast("Provider", request.app.state.provider)
