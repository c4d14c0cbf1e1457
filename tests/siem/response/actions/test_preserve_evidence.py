import pytest

from siem.response.action import ActionFailed
from siem.response.actions.preserve_evidence import PreserveEvidence
from tests.siem.response.actions.conftest import Given


def test_the_raw_records_are_kept_as_received_and_the_manifest_names_what_is_missing(given: Given) -> None:
    lost = next(iter(given.bench.records))
    del given.bench.records[lost]
    result = PreserveEvidence(given.bench.services()).execute(given.context())
    manifest = given.bench.evidence.manifest(result.outputs["empreinte"])
    assert manifest["about"]["missing"] == [lost]
    assert manifest["about"]["incident"] == given.incident.number
    assert {given.bench.evidence.read(piece["sha256"]) for piece in manifest["pieces"]} == {
        each.data for each in given.bench.records.values()
    }
    assert "1 n’étaient plus disponibles" in result.text


def test_doing_it_again_under_the_same_key_gives_the_same_manifest(given: Given) -> None:
    action = PreserveEvidence(given.bench.services())
    assert action.execute(given.context()).outputs == action.execute(given.context()).outputs
    assert len(given.bench.evidence.manifests()) == 1


def test_nothing_found_at_all_is_a_failure(given: Given) -> None:
    given.bench.records.clear()
    with pytest.raises(ActionFailed):
        PreserveEvidence(given.bench.services()).execute(given.context())
