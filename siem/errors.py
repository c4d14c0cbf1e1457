"""Errors of the watch, in two families; anything else is a bug.

DataError         a log line, a rule, a playbook, a form: named by path, line and field, collected, never stops the others
OperationError    store, network, disk: what was attempted, on what, and whether trying again helps
"""

from dataclasses import dataclass


@dataclass(unsafe_hash=True)  # not frozen: Python sets the traceback of what passes through a context manager
class DataError(Exception):
    """Something we were given is wrong. Nobody changes it.

    ``path`` is a file or a source's name, ``line`` counts from 1 (0: unknown), ``field`` is dotted,
    ``problem`` says what is wrong and what was expected.
    """

    path: str
    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        where = self.path + (f":{self.line}" if self.line else "")
        return f"{where}: {self.field}: {self.problem}" if self.field else f"{where}: {self.problem}"


class OperationError(Exception):
    """A store, the network or a disk failed."""

    def __init__(self, attempted: str, subject: str, *, retry_helps: bool) -> None:
        super().__init__(f"{attempted} failed on {subject}" + (" (trying again may help)" if retry_helps else ""))
        self.attempted = attempted
        self.subject = subject
        self.retry_helps = retry_helps
