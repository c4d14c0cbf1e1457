"""What endpoints hand to the layers below: the doors of login, what tells services, and where a request comes from."""

from starlette.requests import Request

from idp.authentication.device_approval import Origin
from idp.authentication.device_login import Doors
from idp.keys import Seal
from idp.provider import Provider
from idp.sessions import user_agent
from idp.signals import Services


def doors_of(provider: Provider) -> Doors:
    """The doors of :mod:`idp.authentication`, with the provider's stores and limits."""
    return Doors(
        store=provider.store,
        audit=provider.audit,
        clock=provider.clock,
        pepper=provider.pin_pepper,
        limits=provider.limits,
        approval_lifetime=provider.lifetimes.approval,
    )


def signal_services(provider: Provider) -> Services:
    """What :mod:`idp.signals` works with."""
    return Services(
        store=provider.store,
        tokens=provider.tokens,
        audit=provider.audit,
        outbound=provider.outbound,
        clock=provider.clock,
        horizon=provider.delivery_horizon,
        seal=stream_seal(provider),
    )


def stream_seal(provider: Provider) -> Seal:
    """What seals the secrets that clients give us for their streams of events."""
    return Seal(provider.keys.pepper("event-stream"))


def origin_of(provider: Provider, request: Request) -> Origin:
    """Address and browser of whoever sent this request."""
    return Origin(provider.sources(request), user_agent(request))
