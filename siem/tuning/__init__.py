"""Tuning: from alerts that people closed as false to a filter that hides the like, proved on what must still be found.

Owns the proposal and its proof. Owns no alert and no rule: it reads the first, and writes a Sigma filter into the operator's folder.
Start with :class:`siem.tuning.proposal.Tuning`, then :mod:`.conditions` (what tells false from true).
"""
