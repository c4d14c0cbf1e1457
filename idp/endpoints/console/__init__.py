"""The administration pages: clients, people, keys and the audit log for a person, over the functions of the administration API.

Served on the administration port alone. Owns what the pages show and who may enter; what is done, and how it is audited, is the
API's. Start with :mod:`idp.endpoints.console.entry`.
"""

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from idp.endpoints.console import audit, clients, entry, keys, people, registration

routes: list[BaseRoute] = [
    Route("/administration", lambda _request: RedirectResponse(entry.HOME, 303), methods=["GET"]),
    Route("/administration/enter", entry.enter, methods=["GET"]),
    Route("/administration/return", entry.come_back, methods=["GET"]),
    Route("/administration/leave", entry.form_page(entry.leave), methods=["POST"]),
    *clients.routes,
    *registration.routes,
    *people.routes,
    *keys.routes,
    *audit.routes,
]
