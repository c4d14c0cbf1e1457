"""Files that people write or fetch: registrations, people, sources, rules, indicators, playbooks, forms, settings.

Whoever writes them is trusted; a file that was cut short, copied wrongly or fetched from elsewhere must still be refused by its name.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from pydantic import ValidationError

import idp.settings
import siem.settings
from idp.authentication.places import read_places
from idp.authorization_details import read_detail_types
from idp.errors import OAuthError, OperationError
from idp.model import Profile
from idp.outbound import Outbound
from idp.people.file import PeopleFileError, read_people
from idp.registration import RegistrationError, parse_client, read_clients, read_entry
from idp.registration.dynamic import Bounds, check_update, read_registration, registered_members
from idp.registration.sector import check_sector_document
from idp.subject_issuers import ForeignSubject, SubjectIssuer, SubjectIssuers, read_subject_issuers
from siem.console import users
from siem.declarations.establishments import load_establishments
from siem.declarations.forms import load_forms
from siem.detection.documents import parse_documents
from siem.detection.load import load_rules
from siem.detection.pipelines import load_pipelines
from siem.detection.placeholders import FOLDER as LISTS
from siem.detection.rule_sets import _collect, _in_archive
from siem.enrichment.directory import load_directory
from siem.enrichment.geography import load_geography
from siem.errors import DataError
from siem.indicators.allow import read_allowed
from siem.indicators.lists import read_list
from siem.indicators.stix import read_bundle
from siem.inputs.api_keys import load_api_keys
from siem.response.actions import ACTIONS
from siem.response.load import _load_one
from siem.sources import SOURCES
from siem.sources.configuration import load_sources
from tests.fuzz.provider_tokens import JWK
from tests.fuzz.target import Shape, Target, as_file, document, files, folder, words
from tests.fuzz.watch_records import _RUNNER, ROOT

_DEMO: Final = ROOT / "deploy/demo"
_BOUNDS: Final = Bounds(
    scope=frozenset({"openid", "profile"}),
    grant_types=frozenset({"authorization_code", "refresh_token"}),
    operators={"profile": Profile.BASELINE},
)


def _registration(data: bytes) -> object:
    """RFC 7591, and the same document as an update (RFC 7592) of what it made."""
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(read, dict):
        return None
    client = read_registration(read, "dcr-1", _BOUNDS)
    told = json.dumps(registered_members(client))
    check_update(read, client)
    return told


def _administered(data: bytes) -> object:
    """One client as the administration API takes it."""
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return parse_client({**read, "client_id": "agenda"} if isinstance(read, dict) else read, "client")


class _Answering(Outbound):
    """Somebody else's web server: answers with what is being tried."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer

    async def get(self, url: str, *, accept: str) -> bytes:
        return self._answer

    async def ask(self, url: str, **_sent: Any) -> bytes:
        return self._answer


def _fetched(data: bytes) -> object:
    """What other people's servers answer: the document of a sector, the introspection of a foreign token."""
    client = parse_client(
        {"client_id": "c", "client_name": "C", "redirect_uris": ["https://a.example/"], "sector_identifier_uri": "https://a.example/s"}, ""
    )
    try:
        _RUNNER.run(check_sector_document(client, _Answering(data)))
    except ValueError as error:
        if type(error) is not ValueError:  # its only words; a decoder's own error would be a fault
            raise
    issuer = SubjectIssuer(
        name="psc",
        issuer="https://psc.example",
        introspection_endpoint="https://psc.example/i",
        client_id="c",
        clients=frozenset({"service"}),
        client_secret="s",
    )
    found = _RUNNER.run(SubjectIssuers(_Answering(data)).ask(issuer, "token"))
    assert isinstance(found, str | ForeignSubject)
    return found


def _in(name: str, parse: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A folder that holds the input as one file, and nothing else."""

    def parse_bytes(data: bytes) -> object:
        path = folder() / name.replace("/", "_") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return parse(folder() / name.replace("/", "_"))

    return parse_bytes


def _rules(path: Path) -> object:
    """Loaded, and every error said: an error names its file and line, which are looked for only then."""
    return [str(error) for error in load_rules(path).errors]


@cache
def _playbook_schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "playbooks/schema/response.schema.json").read_text("utf-8")))


def _environment(data: bytes) -> dict[str, str]:
    """Lines NAME=value, as a service's environment file has them."""
    pairs = (line.partition("=") for line in words(data).replace("\0", "").split("\n"))
    return {name.strip(): value for name, mark, value in pairs if mark}


def _watch_settings(data: bytes) -> object:
    # What is read here may name a file that is read: none of this machine's.
    environment = {name: value for name, value in _environment(data).items() if not name.upper().endswith("_FILE")}
    return siem.settings.load(environment)


def _provider_settings(data: bytes) -> object:
    given = {name.lower().removeprefix("idp_"): value for name, value in _environment(data).items()}
    return idp.settings.Settings(**given)  # type: ignore[arg-type]  # pydantic converts


def _archives() -> tuple[bytes, ...]:
    packed, zipped = io.BytesIO(), io.BytesIO()
    rule = b"title: A rule\nlogsource: {product: idp}\n"
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in (("set/LICENSE", b"Detection Rule License 1.1"), ("set/rules/a.yml", rule)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("set/LICENSE", "set/rules/a.yml"):
            archive.writestr(zipfile.ZipInfo(name), rule)
    return packed.getvalue(), zipped.getvalue()


_REGISTRATION: Final = {
    "client_name": "Agenda",
    "redirect_uris": ["https://agenda.example/retour"],
    "jwks": {"keys": [JWK]},
    "scope": "openid profile",
    "grant_types": ["authorization_code"],
    "token_endpoint_auth_method": "private_key_jwt",
    "contacts": ["a@agenda.example"],
    "response_types": ["code"],
    "subject_type": "pairwise",
    "request_uris": ["https://agenda.example/r#h"],
    "client_id": "dcr-1",
}
_LOGOUTS: Final = {
    "client_name": "B",
    "redirect_uris": ["https://b.example/"],
    "frontchannel_logout_uri": "https://b.example/out",
    "id_token_encrypted_response_alg": "ECDH-ES",
    "jwks": {"keys": [JWK]},
    "initiate_login_uri": "https://b.example/in",
}
_STIX: Final = {
    "type": "bundle",
    "id": "bundle--1",
    "objects": [
        {"type": "identity", "id": "identity--1", "name": "CERT"},
        {
            "type": "indicator",
            "id": "indicator--1",
            "pattern_type": "stix",
            "valid_from": "2026-11-01T00:00:00Z",
            "confidence": 80,
            "pattern": "[ipv4-addr:value = '192.0.2.1' OR domain-name:value IN ('mal.example', 'b.example')]",
            "created_by_ref": "identity--1",
            "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
            "valid_until": "2027-01-01T00:00:00+02:00",
        },
    ],
}
_PIPELINE: Final = b"""name: own
title: A service of ours
fields: {user: [user.id, user.name]}
prefix: winlog.
subject: user.id
logsources:
  - product: own
    category: access
    when: {event.dataset: [own.access]}
    categories: {other: {event.code: 1}}
"""
_SOURCES_FILE: Final = b"""- name: dossier
  type: nginx
  file: access.log
  service: Dossier patient
  finess: 0B0000005
- {name: acces, type: fhir_audit_event, http: true, service: Acces, structures: [0B0172805]}
"""
_ISSUERS: Final = b"""subject_issuers:
  - name: psc
    issuer: https://psc.example
    introspection_endpoint: https://psc.example/introspect
    client_id: us
    clients: [service]
    client_secret_file: secret.txt
"""
_FILTER: Final = b"""title: Leave out
id: 6f3a9f0e-0000-4000-8000-000000000001
logsource: {product: idp}
filter:
  rules: [8c2f5d41-6e0f-4b7a-9a40-0d3f1c2e7a55]
  selection: {source.ip: 192.0.2.1}
  condition: not selection
veilleur: {owner: o, reason: r, expires: 2027-01-01}
"""
_MODIFIED: Final = tuple(
    f"""title: Modified
id: 6f3a9f0e-0000-4000-8000-000000000002
logsource: {{product: windows, category: process_creation}}
detection:
  one: {{{field}}}
  two: [a word, {{CommandLine|contains|all: [a, b]}}]
  condition: {condition}
level: low
""".encode()
    for field, condition in (
        ("Image|re|i: '(?i)a+b', CommandLine|base64offset|contains: x", "one and not two"),
        ("source.ip|cidr: 192.0.2.0/24, event.duration|gte: 3", "1 of them"),
        ("CommandLine|windash|contains: ' -e ', Image|endswith: '\\\\a?*.exe'", "all of o* or two"),
        ("Hashes|fieldref: Other, User|expand: '%admins%', Image|exists: true", "(one or two) and not 1 of t*"),
    )
)
_IDP_ENVIRONMENT: Final = b"""IDP_ENVIRONMENT=development
IDP_BASE_URL=http://127.0.0.1:8800
IDP_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8
IDP_ADMIN_PORT=8801
IDP_ADMINISTRATORS=899700000005
IDP_CLOCK_START=2026-11-22T20:00:00Z
IDP_SESSION_IDLE=PT30M
"""
_SIEM_ENVIRONMENT: Final = b"""SIEM_STATE=var/siem
SIEM_PORT=8900
SIEM_BASE_URL=https://veille.example
SIEM_EXTRA_RULES=a,b
SIEM_LATENESS_SECONDS=60
SIEM_VERIFY_SAMPLE_RATIO=0.01
"""

TARGETS: Final = (
    Target(
        name="client-metadata",
        parse=_registration,
        refusals=(OAuthError,),
        shape=Shape.JSON,
        reads=("idp/registration/dynamic.py", "idp/registration/entry.py", "idp/registration/checks.py", "idp/registration/encryption.py"),
        seeds=document(_REGISTRATION, _LOGOUTS),
    ),
    Target(
        name="administered-client",
        parse=_administered,
        refusals=(RegistrationError,),
        shape=Shape.JSON,
        reads=("idp/registration/__init__.py", "idp/registration/entry.py", "idp/registration/checks.py"),
        seeds=document(
            {
                "client_name": "A",
                "redirect_uris": ["https://a.example/"],
                "tls_client_auth_subject_dn": "CN=a",
                "token_endpoint_auth_method": "tls_client_auth",
                "quirks": {"session_state_parameter": "none"},
                "profile": "psc",
            },
            {"client_name": "A", "redirect_uris": ["http://127.0.0.1:1/"], "subject_type": "pairwise", "structure_finess": "0B0000005"},
        ),
    ),
    Target(
        name="typed-client",
        parse=lambda data: read_entry(words(data), "client"),
        refusals=(RegistrationError,),
        shape=Shape.YAML,
        reads=("idp/registration/__init__.py", "idp/yaml_file.py"),
        seeds=(b"client_id: agenda\nclient_name: Agenda\nredirect_uris: [https://agenda.example/]\nscope: openid\n",),
    ),
    Target(
        name="fetched-documents",
        parse=_fetched,
        shape=Shape.JSON,
        reads=("idp/registration/sector.py", "idp/subject_issuers.py", "idp/outbound.py"),
        seeds=document(
            ["https://a.example/"],
            {"active": True, "iss": "https://psc.example", "client_id": "service", "exp": 1795377660, "SubjectNameID": "899700000005"},
        ),
    ),
    Target(
        name="clients.yaml",
        parse=as_file("clients.yaml", read_clients),
        refusals=(RegistrationError,),
        shape=Shape.YAML,
        reads=("idp/registration/__init__.py",),
        seeds=files([_DEMO / "clients.yaml"]),
    ),
    Target(
        name="people.yaml",
        parse=as_file("people.yaml", read_people),
        refusals=(PeopleFileError,),
        shape=Shape.YAML,
        reads=("idp/people/file.py",),
        seeds=files([ROOT / "idp/people/samples.yaml"]),
        examples=15,
    ),
    Target(
        name="authorization-details.yaml",
        parse=as_file("details.yaml", read_detail_types),
        refusals=(OperationError,),
        shape=Shape.YAML,
        reads=("idp/authorization_details.py",),
        seeds=files([_DEMO / "authorization_details.yaml"]),
    ),
    Target(
        name="subject-issuers.yaml",
        parse=as_file("issuers.yaml", read_subject_issuers),
        refusals=(OperationError,),
        shape=Shape.YAML,
        reads=("idp/subject_issuers.py",),
        seeds=(_ISSUERS,),
    ),
    Target(
        name="places.csv",
        parse=as_file("places.csv", read_places),
        refusals=(OperationError,),
        shape=Shape.LINES,
        reads=("idp/authentication/places.py",),
        seeds=(b"network,country_iso_code,city_name,lat,lon\n192.0.2.0/24,FR,Rennes,48.1,-1.7\n2001:db8::/32,BR,,,\n",),
    ),
    Target(
        name="provider-settings",
        parse=_provider_settings,
        refusals=(ValidationError,),
        shape=Shape.LINES,
        reads=("idp/settings.py",),
        seeds=(_IDP_ENVIRONMENT, b"IDP_BASE_URL=https://idp.example\n"),
    ),
    Target(
        name="watch-settings",
        parse=_watch_settings,
        refusals=(ValueError,),
        shape=Shape.LINES,
        reads=("siem/settings.py",),
        seeds=(_SIEM_ENVIRONMENT,),
    ),
    Target(
        name="sources.yaml",
        parse=as_file("sources.yaml", lambda path: load_sources(path, SOURCES)),
        refusals=(DataError,),
        shape=Shape.YAML,
        reads=("siem/sources/configuration.py",),
        seeds=(_SOURCES_FILE,),
    ),
    Target(
        name="users.yaml",
        parse=as_file("users.yaml", users.read),
        refusals=(DataError,),
        shape=Shape.YAML,
        reads=("siem/console/users.py",),
        seeds=files([_DEMO / "users.yaml"]),
    ),
    Target(
        name="establishments.yaml",
        parse=as_file("establishments.yaml", load_establishments),
        refusals=(DataError,),
        shape=Shape.YAML,
        reads=("siem/declarations/establishments.py",),
        seeds=files([_DEMO / "establishments.yaml"]),
    ),
    Target(
        name="api-keys.json",
        parse=as_file("keys.json", load_api_keys),
        refusals=(DataError,),
        shape=Shape.JSON,
        reads=("siem/inputs/api_keys.py",),
        seeds=document({"dossier": "0" * 64}),
    ),
    Target(
        name="geography.csv",
        parse=as_file("geography.csv", load_geography),
        refusals=(DataError,),
        shape=Shape.LINES,
        reads=("siem/enrichment/geography.py",),
        seeds=(b"network,country_iso_code,city_name,lat,lon\n192.0.2.0/24,FR,Rennes,48.1,-1.7\n2001:db8::/32,BR,,,\n",),
    ),
    Target(
        name="directory.csv",
        parse=as_file("directory.csv", load_directory),
        refusals=(DataError,),
        shape=Shape.LINES,
        reads=("siem/enrichment/directory.py",),
        seeds=(b"national_id,profession,finess\n899700000005,10C,0B0000005\n899700000011,60,\n",),
    ),
    Target(
        name="sigma-rule",
        parse=_in("rule.yml", _rules),
        shape=Shape.YAML,
        reads=(
            *("siem/yaml_text.py", "siem/detection/documents.py", "siem/detection/load.py", "siem/detection/filters.py"),
            *("siem/detection/modifiers.py", "siem/detection/predicates.py", "siem/detection/values.py", "siem/detection/indicators.py"),
        ),
        seeds=(_FILTER, *_MODIFIED, *files((ROOT / "rules").rglob("*.yml"), 20)),
        examples=60,
        longest=30_000,
    ),
    Target(
        name="rule-text",
        parse=lambda data: parse_documents(words(data), "typed"),
        shape=Shape.YAML,
        reads=("siem/detection/documents.py", "siem/tuning/proposal.py"),
        seeds=files((ROOT / "rules").rglob("*.yml"), 3),
    ),
    Target(
        name="pipeline",
        parse=_in("own.yml", load_pipelines),
        shape=Shape.YAML,
        reads=("siem/detection/pipelines/__init__.py",),
        seeds=(_PIPELINE, *files((ROOT / "siem/detection/pipelines").glob("*.yml"), 2)),
        examples=20,
    ),
    Target(
        name="rule-lists",
        parse=_in(f"{LISTS}/lists.yml", _rules),
        shape=Shape.YAML,
        reads=("siem/detection/placeholders.py",),
        seeds=(b"admins: [a, b]\nservers:\n  - srv1\n  - 2\n",),
    ),
    Target(
        name="rule-archive",
        parse=lambda data: _collect("archive", _in_archive("archive", data)),
        refusals=(DataError,),
        reads=("siem/detection/rule_sets.py",),
        seeds=_archives(),
        longest=30_000,
    ),
    Target(
        name="stix-bundle",
        parse=as_file("bundle.json", read_bundle),
        refusals=(DataError,),
        shape=Shape.JSON,
        reads=("siem/indicators/stix.py", "siem/indicators/reading.py"),
        seeds=document(_STIX),
        examples=60,
    ),
    Target(
        name="allow.yml",
        parse=as_file("allow.yml", read_allowed),
        shape=Shape.YAML,
        reads=("siem/indicators/allow.py",),
        seeds=(b"- value: 198.51.100.0/24\n  owner: network team\n  reason: exit of a partner\n  expires: 2027-01-31\n",),
    ),
    Target(
        name="indicator-list",
        parse=as_file("list.txt", read_list),
        refusals=(DataError,),
        shape=Shape.LINES,
        reads=("siem/indicators/lists.py", "siem/indicators/reading.py", "siem/detection/observables.py"),
        seeds=(
            b"# remark\n192.0.2.1\n2001:db8::/32\nmal.example # bad\nhttp://mal.example:80/a?b\n" + b"a" * 64 + b"\n*.h\xc3\xa9.example\n",
        ),
    ),
    Target(
        name="playbook",
        parse=as_file("playbook.json", lambda path: _load_one(path, _playbook_schema(), ACTIONS)),
        refusals=(DataError,),
        shape=Shape.JSON,
        reads=("siem/response/load.py", "siem/response/playbook.py", "siem/response/validate.py"),
        seeds=files((ROOT / "playbooks/response").glob("*.json")),
        longest=60_000,
        examples=20,
    ),
    Target(
        name="declaration-form",
        parse=_in("form.yaml", load_forms),
        shape=Shape.YAML,
        reads=("siem/declarations/forms.py", "siem/declarations/form.py"),
        seeds=files((ROOT / "playbooks/declarations").glob("*.yaml"), 1),
        longest=60_000,
        examples=10,
    ),
)
