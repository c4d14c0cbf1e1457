"""What others send to the watch: records of every source, the bodies that carry them, signed events, searches, declarations."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from starlette.requests import Request

from siem.batch import read_one
from siem.console.language import choose
from siem.console.routing import _form, safe_return
from siem.console.search import _cursor, _paris
from siem.console.visit import Preferences, Problem
from siem.declarations.desk_api import sender_of
from siem.declarations.documents import rfc3339
from siem.declarations.filing import DeskRefused, DeskUnreachable, FilingClient
from siem.declarations.forms import Forms, load_forms
from siem.declarations.inspection import Unacceptable, inspect, load_schema
from siem.declarations.receipt import TYP, ReceiptInvalid, verify
from siem.declarations.values import Wrong, display, read
from siem.detection.observables import host_of, url_of
from siem.enrichment.pseudonyms import Pseudonyms
from siem.errors import DataError, OperationError
from siem.event import RawRecord
from siem.history.questions import Question
from siem.inputs.event_stream import Subscriber, subscribe
from siem.inputs.http import HttpSource, Limits, _answer, _body, _bulk_items, _line_records, _position, _Refusal, authenticated_source
from siem.inputs.security_events import IssuerKeys, Refused, SecurityEventInput
from siem.response.actions.list_sessions import _line
from siem.response.condition import ConditionError, parse_condition
from siem.response.identity_provider import IdentityProvider
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.query import parse_query
from tests.fuzz.provider_tokens import AT, ISSUER, JWK, NOW, compact
from tests.fuzz.target import Shape, Target, document, signed, text, words

ROOT: Final = Path(__file__).resolve().parents[2]
_SAMPLES: Final = ROOT / "tests/siem/sources"
_PSEUDONYMS: Final = Pseudonyms(b"k" * 32)
_HTTP: Final = HttpSource("dossier", sha256(b"key").hexdigest())
_LIMITS: Final = Limits(body_bytes=100_000, record_bytes=10_000, record_count=1000)


def _source(kind: str) -> Callable[[bytes], object]:
    """A source's parser, made anew for each input: what one record leaves behind must not be needed to see a fault again."""
    settings = SourceSettings(f"{kind}-1", kind, "Dossier patient", finess="0B0000005", http=True, structures=frozenset({"0C0000004"}))

    def parse(data: bytes) -> object:
        source = SOURCES[kind](settings)
        for position, line in enumerate(data.split(b"\n")[:20]):
            try:
                read_one(RawRecord(settings.name, str(position), NOW, line), source, (), _PSEUDONYMS)
            except DataError:
                continue
        return source.restore(source.export_state())

    return parse


def _records(kind: str) -> Target:
    lines = [line for path in sorted((_SAMPLES / kind).glob("*.log")) for line in path.read_bytes().splitlines() if line]
    return Target(
        name=f"record-{kind}",
        parse=_source(kind),
        shape=Shape.LINES if kind == "nginx" else Shape.JSON,
        reads=(f"siem/sources/{kind}.py", "siem/sources/record.py", "siem/sources/flatten.py", "siem/batch.py"),
        # The longest hold the most kinds of values.
        seeds=tuple(sorted(set(lines), key=len)[-6:]),
        longest=30_000,
    )


def _caep(data: bytes) -> object:
    """A security event whose claims were changed, as its source reads it once the door has let it in."""
    return _source("caep")(compact(data).encode())


def _push(data: bytes) -> object:
    def fetch(url: str) -> Mapping[str, Any]:
        return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"} if "ssf" in url else {"keys": [JWK]}

    door = SecurityEventInput(None, {}, lambda: NOW, IssuerKeys(ISSUER, fetch), issuer=ISSUER, audience="watch")  # type: ignore[arg-type]
    claims = door.verified(compact(data).encode())
    return _caep(data), claims["jti"].encode()


def _published_keys(data: bytes) -> object:
    """The keys of an issuer, and its description, as they come from its web server."""
    answer = orjson.loads(data)
    if not isinstance(answer, dict):
        raise OperationError("as the reader of answers says it", "", retry_helps=False)
    keys = IssuerKeys(ISSUER, lambda url: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/c"} if "ssf" in url else answer)
    IssuerKeys(ISSUER, lambda _url: answer, monotonic=lambda: 0.0)._refresh() if "issuer" in answer else None
    return keys.find("k")


def _peers(data: bytes) -> object:
    """What the provider, the desk and an issuer answer to the watch, whatever they were asked."""

    def answer(request: httpx.Request) -> httpx.Response:
        # A token comes back, so that what is behind it is asked too; a third of the answers are refusals.
        given = b'{"access_token": "t", "expires_in": 60}' if request.url.path == "/token" else data
        return httpx.Response(422 if len(data) % 3 == 2 else 200, content=given)

    transport = httpx.MockTransport(answer)
    provider = IdentityProvider("https://idp.example/admin/v1", "https://idp.example/token", "c", "s", transport=transport)
    with provider:
        for ask in (
            lambda: [_line("P-1", session) for session in provider.sessions("899700000005").sessions],
            lambda: provider.revoke(session_id="s", reason="r", reference="i", key="k"),
            lambda: FilingClient("https://desk.example", "key", pauses=(), transport=transport).file(b"{}"),
            lambda: subscribe(Subscriber("https://idp.example", "c", "s"), endpoint_url="https://w", api_key="k", transport=transport),
        ):
            try:
                ask()
            except (OperationError, DeskRefused, DeskUnreachable):
                continue
    return None


def _http(data: bytes) -> object:
    """A body as shippers send it: plain, compressed, as lines and as a bulk request."""
    for encoding in (b"identity", b"gzip", text(data[:8]).encode()):
        scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", encoding)]}
        chunks = [data[:700], data[700:]]

        async def receive(chunks: list[bytes] = chunks) -> dict[str, object]:
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        try:
            body = _RUNNER.run(_body(Request(scope, receive), _LIMITS))
            _line_records(body, _HTTP, NOW, _LIMITS)
            for item in _bulk_items(body, None, "dossier", _LIMITS):
                _answer(item), _position(item, "digest", 1)
        except _Refusal:
            continue
    return authenticated_source({"dossier": _HTTP}, text(data)), sender_of(text(data), {"guichet": _HTTP.key_sha256})


_RUNNER: Final = asyncio.Runner()


def _typed(data: bytes) -> object:
    """What an analyst types or an address holds: a search, an instant, a page to come back to, a language, a form."""
    typed = words(data)
    safe_return(typed)
    Preferences.from_cookie(text(data))
    choose(typed, text(data))
    host_of(typed), url_of(typed)
    if (at := _paris(typed)) is not None:
        rfc3339(at)
    _cursor(f"{typed}~id")
    _form(data)
    return parse_query(typed, ["CommandLine", "Image"])


@cache
def _forms() -> Forms:
    return load_forms(ROOT / "playbooks/declarations")


def _declared(data: bytes) -> object:
    """The same text in a field of every kind, in each form."""
    typed = words(data)
    seen: set[str] = set()
    for form in _forms().forms:
        for _, field in form.fields():
            if field.type in seen:
                continue
            seen.add(field.type)
            try:
                value = read(field, typed, "fr")
            except Wrong:
                continue
            if value is not None:
                display(field, value, "en")
    return seen


@cache
def _schema() -> Any:
    return load_schema(ROOT / "playbooks/declarations/schema/dossier-declaration-ssi-sante-1.0.schema.json")


def _desk(data: bytes) -> object:
    return inspect(data, _schema(), _forms())


def _question(data: bytes) -> object:
    """A line at the watch's own door."""
    try:
        asked = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    question = Question.parse(asked) if isinstance(asked, dict) else None
    return question.message() if question else None


def _condition(data: bytes) -> object:
    """A condition of a playbook, parsed and evaluated."""
    found = parse_condition(words(data))
    return found.holds({"__gravite__": "critical", "__session_count__": "3", "__personnes__": "P-1,P-2" * 20})


def _bulk_seeds() -> tuple[bytes, ...]:
    lines = b'{"create":{"_index":"dossier","_id":"1"}}\n{"message":"a"}\n{"index":{}}\n{"message":"b"}\n{"delete":{"_id":"2"}}\n'
    return (
        lines,
        gzip.compress(lines, mtime=0),
        b"line one\nline two\n",
        b'{"update":{"_index":"x"}}\n{}\n',
        b"ApiKey key",
        b"Basic OmtleQ==",
    )


_EVENT_CLAIMS: Final = {
    "iss": ISSUER,
    "aud": "watch",
    "iat": AT,
    "jti": "j-1",
    "txn": "t",
    "sub_id": {"format": "complex", "user": {"format": "iss_sub", "iss": ISSUER, "sub": "s"}, "session": {"format": "opaque", "id": "s"}},
    "events": {
        "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
            "event_timestamp": AT,
            "initiating_entity": "admin",
            "reason_admin": {"fr": "incident"},
            "change_type": "revoke",
        }
    },
}
_EVENT_HEADER: Final = {"alg": "ES256", "kid": "k", "typ": "secevent+jwt"}
_RECEIPT: Final = {
    "iss": "https://guichet.example",
    "number": "D-1",
    "received_at": "2026-11-22T20:00:00+00:00",
    "sha256": "0" * 64,
    "declaration_id": "d",
    "version_number": 1,
}

TARGETS: Final = (
    *map(_records, sorted(set(SOURCES) - {"caep"})),
    Target(
        name="record-caep",
        parse=_caep,
        shape=Shape.SIGNED,
        reads=("siem/sources/caep.py", "siem/sources/record.py"),
        seeds=signed((_EVENT_HEADER, _EVENT_CLAIMS)),
    ),
    Target(
        name="security-event",
        parse=_push,
        refusals=(Refused,),
        shape=Shape.SIGNED,
        reads=("siem/inputs/security_events.py",),
        seeds=(*signed((_EVENT_HEADER, _EVENT_CLAIMS)), b"[" * 4000 + b"\n{}", orjson.dumps(_EVENT_HEADER) + b"\n" + b"[" * 4000),
    ),
    Target(
        name="peer-answers",
        parse=_peers,
        shape=Shape.JSON,
        reads=(
            *("siem/response/identity_provider.py", "siem/response/actions/list_sessions.py"),
            *("siem/declarations/filing.py", "siem/inputs/event_stream.py"),
        ),
        seeds=document(
            {
                "sessions": [{"id": "s", "method": "device", "auth_time": "2026-11-22T20:00:00Z", "clients": ["c"], "source_ip": None}],
                "residual_seconds": 300,
                "session_count": 1,
                "grant_count": 2,
            },
            {"configuration_endpoint": "https://idp.example/s", "verification_endpoint": "https://idp.example/v", "stream_id": "s"},
            {"number": "D-1", "jws": "e30.e30.AA", "errors": [{"field": "f", "problem": "p"}], "message": "m"},
            {"error": "invalid_request", "error_description": "d"},
        ),
        examples=15,
    ),
    Target(
        name="issuer-keys",
        parse=_published_keys,
        refusals=(Refused, OperationError, orjson.JSONDecodeError),
        shape=Shape.JSON,
        reads=("siem/inputs/security_events.py",),
        seeds=document({"keys": [JWK]}, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"}, {"keys": [JWK, {"kty": "RSA"}]}),
    ),
    Target(
        name="ingest-body",
        parse=_http,
        shape=Shape.LINES,
        reads=("siem/inputs/http.py", "siem/declarations/desk_api.py"),
        seeds=_bulk_seeds(),
    ),
    Target(
        name="console-typed",
        parse=_typed,
        refusals=(DataError, Problem),
        reads=("siem/store/query.py", "siem/console/routing.py", "siem/console/visit.py", "siem/console/search.py"),
        seeds=(
            b"user.id:P-4F7K2M9QXA AND event.outcome:failure",
            b'source.ip:203.0.113.0/24 OR http.response.status_code:>=500 NOT "a b" CommandLine:*x?',
            b"2026-11-22T03:14",
            b"/alertes?q=1",
            b"fr;q=0.8",
            b"csrf=x&de=2026-11-22T03%3A14&choix=1&choix=2",
        ),
    ),
    Target(
        name="declaration-fields",
        parse=_declared,
        reads=("siem/declarations/values.py", "siem/declarations/form.py"),
        seeds=(b"2026-11-22T03:14", b"2026-11-22", b"1 234", b"0B0000005", b"01 23 45 67 89", b"2026-11-22T03:14 | Appel | Texte", b"oui"),
    ),
    Target(
        name="declaration",
        parse=_desk,
        refusals=(Unacceptable,),
        shape=Shape.JSON,
        reads=("siem/declarations/inspection.py",),
        seeds=(b"{}", (Path(__file__).parent / "seeds/declaration.json").read_bytes()),
        longest=60_000,
        examples=15,
    ),
    Target(
        name="receipt",
        parse=lambda data: verify(compact(data), {"keys": [JWK]}),
        refusals=(ReceiptInvalid,),
        shape=Shape.SIGNED,
        reads=("siem/declarations/receipt.py",),
        seeds=signed(({"alg": "ES256", "kid": "k", "typ": TYP}, _RECEIPT)),
    ),
    Target(
        name="history-question",
        parse=_question,
        refusals=(DataError,),
        shape=Shape.JSON,
        reads=("siem/history/questions.py", "siem/door.py"),
        seeds=document({"kind": "hunt", "rule": "r", "from_at": "2026-11-22T00:00:00Z", "to_at": None, "tenant": "default"}),
    ),
    Target(
        name="playbook-condition",
        parse=_condition,
        refusals=(ConditionError,),
        reads=("siem/response/condition.py",),
        seeds=(
            b"__session_count__:value > '0' AND (__gravite__:value = 'critical' OR __personnes__:value LIKE 'P-%')",
            b"NOT __gravite__:value IN ('a', 'b\\'c') OR __session_count__:value >= 3.5",
            b"__personnes__:value LIKE '%1%2%3%4%5%6%x'",
        ),
    ),
)
