"""The one refusal of this package: what a phone, a page or the control interface is told, and with which status."""


class AuthenticationRefused(Exception):
    """A person or a device did not prove what it had to.

    ``error`` is a stable word for programs, ``status`` the HTTP status. ``remaining`` counts the PIN tries left,
    where a PIN was wrong; ``retry_after_seconds`` says when a limit ends. The text is for the operator's log.
    """

    def __init__(
        self, error: str, detail: str, *, status: int = 400, remaining: int | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.detail = detail
        self.status = status
        self.remaining = remaining
        self.retry_after_seconds = retry_after_seconds
