"""A visit of the login pages: an interaction, in the browser that began it, and the form token that only that browser has."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from idp.endpoints.own_client import find_client
from idp.endpoints.pages import pages, preferences
from idp.model import Client, Interaction
from idp.provider import Provider, provider_of
from idp.sessions import browser_hash, login_cookie_name


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that may go on with an interaction: everything was checked."""

    request: Request
    provider: Provider
    interaction: Interaction
    client: Client

    @property
    def ui_locales(self) -> str:
        """Languages that the request asked for."""
        return self.interaction.request.get("ui_locales", "")

    def csrf(self) -> str:
        """A form token only this browser can have: keyed by its cookie, for this interaction."""
        cookie = self.request.cookies[login_cookie_name(https=self.provider.https)]
        return hmac.new(cookie.encode(), f"login-form\0{self.interaction.id}".encode(), hashlib.sha256).hexdigest()

    def is_served_here(self, form: Mapping[str, str]) -> bool:
        """Whether the form comes from a page that this browser was shown."""
        return hmac.compare_digest(form.get("csrf", "").encode(), self.csrf().encode())

    def details(self) -> list[str]:
        """What exactly the service asks to do, as the operator's sentences say it in the reader's language (RFC 9396)."""
        asked = self.interaction.request.get("authorization_details")
        if asked is None:
            return []
        language = preferences(self.request, self.ui_locales).language
        return self.provider.detail_types.read_out(
            self.provider.detail_types.check(asked, self.client.authorization_details_types), language
        )

    def page(self, template: str, *, status: int = 200, **context: object) -> Response:
        """A page of this login; its forms may end at the client, after a cancellation, or at the address of cards."""
        parts = urlsplit(self.interaction.request.get("redirect_uri", ""))
        ends = [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else [f"{parts.scheme}:"] if parts.scheme else []
        if self.provider.card_base_url:
            # The form that chooses a card ends there, and back here.
            card = urlsplit(self.provider.card_base_url)
            ends.append(f"{card.scheme}://{card.netloc}")
        return pages().render(
            self.request,
            template,
            status=status,
            ui_locales=self.ui_locales,
            form_action=ends,
            here=self.request.url.path,
            client=self.client,
            interaction_id=self.interaction.id,
            csrf=self.csrf(),
            details=self.details(),
            for_device=self.interaction.device_code_hash is not None,
            **context,
        )


async def visit_of(request: Request) -> Visit | None:
    """The visit, if the interaction lives, is of this browser, and its client is still served."""
    provider = provider_of(request)
    interaction = await provider.store.interactions.get(request.path_params["interaction_id"], provider.clock())
    browser = browser_hash(request, https=provider.https)
    if interaction is None or browser is None or not hmac.compare_digest(browser, interaction.browser_hash):
        return None
    client = await find_client(provider, interaction.client_id)
    if client is None or client.disabled:
        return None
    return Visit(request, provider, interaction, await provider.client_keys.of(client))


def stopped(request: Request, reason: str, status: int) -> Response:
    """The one page of everybody who cannot go on: it says nothing about the login."""
    return pages().render(request, "stopped.html", status=status, reason=reason)
