"""sources.yaml: what is read, and how a mistake is named."""

from pathlib import Path

import pytest

from siem.errors import DataError
from siem.sources import SOURCES
from siem.sources.configuration import load_sources
from siem.sources.source import SourceSettings


def _load(tmp_path: Path, text: str) -> list[SourceSettings]:
    path = tmp_path / "sources.yaml"
    path.write_text(text, "utf-8")
    return load_sources(path, SOURCES)


def test_sources_are_read_in_their_order(tmp_path: Path) -> None:
    text = """
- {name: web, type: nginx, file: logs/access.log, service: Dossier patient, finess: 0B0000005}
- {name: idp, type: idp, file: /var/idp/audit.ndjson, service: IdP, tenant: ght}
- {name: dpi, type: fhir_audit_event, http: true, service: Dossier patient}
"""
    assert _load(tmp_path, text) == [
        SourceSettings("web", "nginx", "Dossier patient", finess="0B0000005", file=tmp_path / "logs/access.log"),
        SourceSettings("idp", "idp", "IdP", tenant="ght", file=Path("/var/idp/audit.ndjson")),
        SourceSettings("dpi", "fhir_audit_event", "Dossier patient", http=True),
    ]
    assert _load(tmp_path, "") == []


@pytest.mark.parametrize(
    ("text", "line", "field", "problem"),
    [
        ("- {name: web, type: nginx, service: S, http: true}\n- {name: b, type: apache, service: S, http: true}", 2, "type", "nginx"),
        ("- {name: web, type: nginx, http: true}", 1, "service", "required"),
        ("- {name: Web!, type: nginx, service: S, http: true}", 1, "name", "pattern"),
        ("- {name: web, type: nginx, service: S}", 1, "", "either file"),
        ("- {name: web, type: nginx, service: S, http: true, file: a}", 1, "", "either file"),
        ("- {name: web, type: nginx, service: S, http: true, port: 1}", 1, "port", "Extra"),
        ("- {name: web, type: nginx, service: S, http: true, finess: '12'}", 1, "finess", "pattern"),
        (
            "- {name: web, type: nginx, service: S, http: true}\n\n- {name: web, type: nginx, service: S, http: true}",
            3,
            "name",
            "two sources",
        ),
        ("name: web", 1, "", "a list"),
        ("- [", 1, "", "not YAML"),
        ("- 3", 1, "", "valid dictionary"),
    ],
)
def test_a_mistake_names_file_line_and_field(tmp_path: Path, text: str, line: int, field: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        _load(tmp_path, text)
    error = caught.value
    assert (error.path, error.field) == (str(tmp_path / "sources.yaml"), field)
    assert error.line in (line, line + 1)
    assert problem in error.problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read"):
        load_sources(tmp_path / "none.yaml", SOURCES)
