"""Alerts and incidents: from detections to one incident a person handles.

Owns the identity of alerts, their grouping into incidents, the states of both, notes, history and timeline.
Owns no rule (:mod:`siem.detection`) and no action (:mod:`siem.response`). Start with :mod:`.model`, then :mod:`.service`;
:mod:`.grouping` holds the decisions as plain functions without a store.
"""
