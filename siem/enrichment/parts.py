"""The parts of enrichment that files feed, in the order in which they are to be applied."""

from pathlib import Path

from siem.enrichment import Enrichment
from siem.enrichment.directory import Directory, load_directory
from siem.enrichment.geography import load_geography


def load_enrichments(geography: Path | None, directory: Path | None) -> list[Enrichment]:
    """Places by address where there is a file of them, and professions. Raises DataError."""
    people = load_directory(directory) if directory else Directory()
    return [load_geography(geography), people] if geography else [people]
