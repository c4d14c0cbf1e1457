"""Declarations: the dossier of an incident, the clocks of each duty, the filing and the desk that receives it.

It owns the forms as data (``playbooks/declarations``), the deadlines, the dossier with its states and frozen versions,
its exports (JSON, PDF, STIX), the client that files and the desk with its signed receipts. It does not own the
incident, its alerts or its evidence: those arrive as plain facts. Start at :mod:`siem.declarations.service`.
"""
