"""The professional in front of the browser: a Chromium that goes where the suite says, logs in, and answers on the phone."""

import base64
from collections.abc import Callable
from html import escape
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route

from idp.testing.provider import Outcome
from tests.conformance.foundation.api import Visit

#: A login passes through fewer pages.
_MAX_PAGES: Final = 12
_PATIENCE_MS: Final = 20_000
#: How long a page may take to go on by itself before it counts as the last one.
_SETTLING_MS: Final = 3_000
#: How long the suite's frames need to ask the provider's about the session.
_FRAMES_MS: Final = 8_000
#: What the suite's callback page shows once the answer has reached the suite.
_SUBMITTED: Final = "#submission_complete"

Answer = Callable[[str, Outcome], None]


class Seen(NamedTuple):
    """The last telling page of the provider as a picture (data URL), where there was one; whether the browser came back to the suite."""

    picture: str | None
    came_back: bool


class Person:
    """One browser with cookies of its own. ``answer``: what happens on the phone."""

    def __init__(self, browser: Browser, *, provider: str, suite: str, national_id: str, answer: Answer) -> None:
        self._provider, self._suite, self._national_id, self._answer = provider, suite, national_id, answer
        self._context: BrowserContext = browser.new_context(ignore_https_errors=True, locale="fr-FR", reduced_motion="reduce")
        self._context.set_default_timeout(_PATIENCE_MS)
        # The suite's pages ask for style sheets of other hosts.
        self._context.route("**/*", self._only_here)

    def close(self) -> None:
        """Forget the cookies."""
        self._context.close()

    def go(self, visit: Visit, *, cancels: bool = False, only_looks: bool = False) -> Seen:
        """Go there and do what is asked. ``cancels``: refuse to log in. ``only_looks``: see the page and leave it."""
        page = self._context.new_page()
        try:
            self._open(page, visit)
            picture = None
            for _ in range(_MAX_PAGES):
                page.wait_for_load_state()
                if page.url.startswith(f"{self._suite}/"):
                    self._let_it_arrive(page)
                    return Seen(picture, came_back=True)
                picture = _picture(page) if self._tells(page) else picture
                if only_looks or not self._act(page, cancels=cancels):
                    return Seen(picture, came_back=False)
            raise AssertionError(f"{visit.url} leads from page to page without end; the last is {page.url}")
        finally:
            page.close()

    def _open(self, page: Page, visit: Visit) -> None:
        if visit.method != "POST":
            page.goto(visit.url)
            return
        address = urlsplit(visit.url)
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in parse_qsl(address.query, keep_blank_values=True)
        )
        page.goto(f"{self._suite}/api/server")
        page.set_content(f'<form method="post" action="{escape(address._replace(query="").geturl())}">{fields}<button>OK</button></form>')
        with page.expect_navigation():
            page.click("button")

    def _act(self, page: Page, *, cancels: bool) -> bool:
        """Do what this page asks for; False when it asks for nothing and leads nowhere."""
        before = page.url
        if page.locator("#identify").count():
            if cancels:
                page.click("#cancel button")
            else:
                page.fill("#national_id", self._national_id)
                page.click("#identify button")
            return True
        if page.locator("#progress[data-state-url]").count():
            self._answer(self._national_id, "approve")
            page.wait_for_url(lambda url: url != before)
            return True
        if page.locator("#consent button").count():
            page.click("#cancel button" if cancels else "#consent button")
            return True
        if page.locator("#logout button").count():
            page.click("#logout button")
            return True
        return self._goes_on(page, before)

    def _tells(self, page: Page) -> bool:
        """Whether it is a page that a reviewer would want to see: not the one on which someone waits."""
        return page.url.startswith(f"{self._provider}/") and not page.locator("#progress, #answer").count()

    def _goes_on(self, page: Page, before: str) -> bool:
        from playwright.sync_api import Error

        try:
            page.wait_for_url(lambda url: url != before, timeout=_SETTLING_MS)
        except Error:
            return False
        return True

    def _let_it_arrive(self, page: Page) -> None:
        if page.locator("#complete.collapse").count():
            page.wait_for_selector(_SUBMITTED, state="attached")
        else:
            # Frames of its own ask and post by themselves.
            page.wait_for_load_state("networkidle")
            if "session_verify" in page.url:
                page.wait_for_timeout(_FRAMES_MS)

    def _only_here(self, route: Route) -> None:
        if route.request.url.startswith((f"{self._suite}/", f"{self._provider}/", "data:")):
            route.continue_()
        else:
            route.abort()


def _picture(page: Page) -> str:
    """The whole page, with what is folded opened: the reviewer of an error page wants to see which error."""
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    return f"data:image/png;base64,{base64.b64encode(page.screenshot(full_page=True)).decode()}"
