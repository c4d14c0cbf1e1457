"""``python -m siem.cli``."""

from siem.cli import app

app()
