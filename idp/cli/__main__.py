"""``python -m idp.cli``."""

from idp.cli import app

app()
