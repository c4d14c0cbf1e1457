r"""Access logs in the combined format of nginx (and Apache).

    $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"

``$remote_user`` holds the national identifier of the professional where the service sets it. nginx writes bytes that are
not printable as ``\xHH``; a request line that is no HTTP keeps its text in ``url.original``.

Source: nginx.org, ngx_http_log_module, ``log_format combined``.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from siem.errors import DataError
from siem.event import Event, Fields, RawRecord
from siem.sources.record import address, event_id, plausible, text_of
from siem.sources.source import SourceSettings, Stateless

_QUOTED: Final = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_COMBINED: Final = re.compile(rf"(\S+) \S+ ([^\[]+) \[([^\]]+)\] {_QUOTED} (\d{{3}}) (\d{{1,15}}|-) {_QUOTED} {_QUOTED}", re.DOTALL)
_REQUEST: Final = re.compile(r"([A-Z][A-Z_-]{0,31}) (\S.*) HTTP/(\d(?:\.\d)?)", re.DOTALL)
_TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_ESCAPED_BYTES: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_ESCAPED: Final = re.compile(r'\\(["\\tnr])')
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r"}
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_FIRST_ERROR_STATUS: Final = 400

_COMBINED_WORDS: Final = 'address - user [time] "request" status bytes "referrer" "user agent"'


class Nginx(Stateless):
    """Turns access log lines into ``nginx.access`` events."""

    fields: Mapping[str, str] = {
        "event.kind": "always event",
        "event.dataset": "always nginx.access",
        "event.action": "always http.request",
        "event.category": "always web",
        "event.type": "always access",
        "event.outcome": "success below status 400, failure from there on",
        "service.name": "name of the service, from the configuration",
        "health.structure.finess": "establishment of the service, from the configuration",
        "user.id": "national identifier of the professional ($remote_user), where there is one",
        "source.ip": "address of the client ($remote_addr), where it is an address",
        "url.original": "target of the request as sent, or the whole request line when it is no HTTP",
        "url.path": "path of the target, percent-decoded once",
        "url.query": "query of the target as sent, without the question mark",
        "http.request.method": "method",
        "http.request.referrer": "Referer",
        "http.response.status_code": "status (integer)",
        "http.response.body.bytes": "size of the body sent (integer, bytes)",
        "http.version": "1.0, 1.1, 2.0, 3.0",
        "user_agent.original": "User-Agent",
    }

    def __init__(self, settings: SourceSettings) -> None:
        self._constant: Fields = {
            "event.kind": "event",
            "event.dataset": "nginx.access",
            "event.action": "http.request",
            "service.name": settings.service,
        }
        if settings.finess:
            self._constant["health.structure.finess"] = settings.finess

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """One event a line. Raises DataError when the line is not in the combined format."""
        line = text_of(record)
        match = _COMBINED.fullmatch(line)
        if match is None:
            # The line itself is not repeated: before it is understood nobody knows whose identity it holds.
            raise DataError(record.source, 0, "", f"{len(line)} characters that are not a line of the combined format: {_COMBINED_WORDS}")
        remote, user, time, request, status, size, referrer, agent = match.groups()
        at = _instant(time)
        if at is None:
            raise DataError(record.source, 0, "@timestamp", f"a time such as 22/Nov/2026:21:14:03 +0100 expected, not {time[:40]!r}")
        number = int(status)
        fields: Fields = {
            **self._constant,
            "event.category": ["web"],
            "event.type": ["access"],
            "event.outcome": "failure" if number >= _FIRST_ERROR_STATUS else "success",
            "http.response.status_code": number,
        }
        if size != "-":
            fields["http.response.body.bytes"] = int(size)
        if (ip := address(remote)) is not None:
            fields["source.ip"] = ip
        for name, text in (("user.id", user), ("http.request.referrer", referrer), ("user_agent.original", agent)):
            if text not in ("-", ""):
                fields[name] = _unescaped(text)
        _add_request(fields, _unescaped(request))
        return (Event(event_id(record, at), at, record.source, record.tenant, fields),)


def _add_request(fields: Fields, request: str) -> None:
    parts = _REQUEST.fullmatch(request)
    if parts is None:
        if request not in ("-", ""):
            fields["url.original"] = request
        return
    method, target, version = parts.groups()
    fields["http.request.method"] = method
    fields["http.version"] = version
    fields["url.original"] = target
    path, _, query = target.partition("?")
    if "%" in path:
        path = unquote(path, errors="backslashreplace")
    fields["url.path"] = path
    if query:
        fields["url.query"] = query


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    text = _ESCAPED_BYTES.sub(lambda run: bytes.fromhex(run[0].replace("\\x", "")).decode("utf-8", "backslashreplace"), text)
    return _ESCAPED.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), text)


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        day, year = int(match[1]), int(match[3])
        at = datetime(year, _MONTHS[match[2]], day, int(match[4]), int(match[5]), int(match[6]), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if plausible(at) else None
