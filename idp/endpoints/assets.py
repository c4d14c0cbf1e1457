"""Static files of ``idp/web``: the stylesheet, the modules of the phone application, the icon. Nothing else is served."""

from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from idp.endpoints.pages import WEB_FOLDER

#: A browser asks again each time and gets 304 while nothing changed (ETag), so that a release is seen at once.
routes: list[BaseRoute] = [Mount("/assets", StaticFiles(directory=WEB_FOLDER / "static"), name="assets")]
