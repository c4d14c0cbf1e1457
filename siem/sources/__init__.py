"""Log sources: one module per kind of log, each turning raw records into events with ECS names.

Owns the formats, not where the bytes come from (:mod:`siem.inputs`) nor what becomes of the events. Start with
:class:`~siem.sources.source.Source`; a new kind is a module, a line in :data:`SOURCES`, and golden files in its tests.
"""

from collections.abc import Callable, Mapping
from typing import Final

from siem.sources.caep import Caep
from siem.sources.ecs import Ecs
from siem.sources.fhir_audit_event import FhirAuditEvent
from siem.sources.idp import Idp
from siem.sources.nginx import Nginx
from siem.sources.source import Source, SourceSettings
from siem.sources.windows import Windows

#: Every kind of log, by the word that sources.yaml uses for it.
SOURCES: Final[Mapping[str, Callable[[SourceSettings], Source]]] = {
    "idp": Idp,
    "nginx": Nginx,
    "fhir_audit_event": FhirAuditEvent,
    "caep": Caep,
    "windows": Windows,
    "ecs": Ecs,
}
