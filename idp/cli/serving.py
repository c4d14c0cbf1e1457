"""``idp serve``, and how an application is put on a socket."""

import contextlib
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from idp.cli.context import faults
from idp.errors import OperationError
from idp.settings import Settings, load

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from idp.authority import Files


def serve() -> None:
    """Answer requests until interrupted."""
    import logging

    from idp.app import create_app

    with faults():
        settings = load()
        begin_logging(settings.log_format)
        sockets = [listening(settings.host, settings.port)]
        if settings.admin_port is not None:
            sockets.append(listening(settings.admin_host, settings.admin_port))
        application = create_app(settings, on_complete=_keep)
    if not (settings.development or settings.trusted_proxies):
        logging.getLogger("idp").warning(
            "IDP_TRUSTED_PROXIES is empty: everyone seems to come from the TLS proxy, and one person's failed attempts limit all"
        )
    run(server(application, settings), sockets)


def _keep() -> None:
    """What is loaded by now lives as long as the process: the collector need not look at it again and again, in the middle of a request."""
    import gc

    gc.collect()
    gc.freeze()


def begin_logging(log_format: str = "text") -> None:
    """Lines on standard error, with their time and the request that they are about: text, or JSON with the names of ECS."""
    import logging

    from idp.tracing import Named

    handler = logging.StreamHandler(sys.stderr)
    if log_format == "ecs":
        import ecs_logging

        handler.setFormatter(ecs_logging.StdlibFormatter(extra={"service.name": "veilleur-idp"}))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(Named())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def server(
    application: "ASGIApp", settings: Settings, *, on_ready: Callable[[], None] = lambda: None, tls: "Files | None" = None
) -> "uvicorn.Server":
    """The HTTP server, not yet listening; ``on_ready`` is called once it does. ``tls``: for development, where no proxy stands in front."""
    import uvicorn

    from idp.listener import BoundedProtocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

    return Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            http=BoundedProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            # The source address is ours to decide (IDP_TRUSTED_PROXIES), not the server's.
            proxy_headers=False,
            timeout_graceful_shutdown=5,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
    )


def run(made: "uvicorn.Server", sockets: list[socket.socket]) -> None:
    """Answer until interrupted; ends the process with status 3 where the application could not start."""
    with contextlib.suppress(KeyboardInterrupt):
        made.run(sockets)
    if not made.started:
        sys.exit(3)


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to that port (0: any free one); raises OperationError where something else listens."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OperationError(
            f"listening ({error.strerror}; choose another port with IDP_PORT)", f"{host}:{port}", retry_helps=False
        ) from error
    return bound
