"""sources.yaml: what is read, and how a mistake is named."""

from datetime import timedelta
from pathlib import Path

import pytest

from siem.errors import DataError
from siem.sources import SOURCES
from siem.sources.configuration import load_sources, read_sources, unreadable_files
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
        ("- {name: web, type: nginx, service: S, http: true, silent_after: 30}", 1, "silent_after", "such as 90m, a year at most, not 30"),
        ("- {name: web, type: nginx, service: S, http: true, silent_after: 0h}", 1, "silent_after", "a number and a unit"),
        ("- {name: web, type: nginx, service: S, http: true, silent_after: 367d}", 1, "silent_after", "a number and a unit"),
        ("- {name: web, type: nginx, service: S, http: true, silent_after: [1h]}", 1, "silent_after", "a number and a unit"),
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


def test_a_source_says_how_long_it_may_be_silent_and_the_others_are_as_the_watch_says(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(
        "- {name: web, type: nginx, service: S, http: true}\n"
        "- {name: nightly, type: nginx, service: S, http: true, silent_after: 2d}\n"
        "- {name: busy, type: nginx, service: S, http: true, silent_after: 5m}\n"
    )
    found = load_sources(path, SOURCES, silent_after=timedelta(hours=3))
    assert [one.silent_after for one in found] == [timedelta(hours=3), timedelta(days=2), timedelta(minutes=5)]
    assert load_sources(path, SOURCES)[0].silent_after == timedelta(minutes=15)


def test_every_mistake_is_told_and_the_other_sources_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    good = "- {name: web, type: nginx, service: S, file: there/access.log}\n- {name: far, type: nginx, service: S, file: gone/a.log}\n"
    path.write_text(
        f"- {{name: a}}\n{good}- {{name: web, type: nginx, service: S, http: true}}\n- {{name: b, type: x, service: S, http: true}}\n"
    )
    (tmp_path / "there").mkdir()
    sources, wrong = read_sources(path, SOURCES)
    assert [one.name for one in sources] == ["web", "far"]
    assert [(error.line, error.field) for error in wrong] == [(1, "type"), (4, "name"), (5, "type")]
    (missing,) = unreadable_files(path, sources)
    assert missing.problem == f"the folder {tmp_path / 'gone'} is not there (source far)", "a log that is not written yet may still come"
    (tmp_path / "there/access.log").mkdir()
    assert "Is a directory (source web)" in unreadable_files(path, sources)[0].problem
