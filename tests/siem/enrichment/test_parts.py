from pathlib import Path

from siem.enrichment.directory import Directory
from siem.enrichment.geography import Geography
from siem.enrichment.parts import load_enrichments


def test_places_come_before_professions_and_only_where_there_is_a_file_of_them(tmp_path: Path) -> None:
    file = Path(__file__).parents[3] / "deploy" / "demo" / "geography.csv"
    assert [type(one) for one in load_enrichments(None, None)] == [Directory]
    assert [type(one) for one in load_enrichments(file, None)] == [Geography, Directory]
