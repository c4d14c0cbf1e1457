"""Habits: detections that compare what somebody does with what they, or their peers, usually do. Sigma has no word for them.

A rule document under our own key, ``veilleur: {baseline: …}``, refers to rules on single events as a correlation does. Read
:mod:`.document` for the language, :mod:`.sighting` for what goes in and comes out; :mod:`.first_seen`, :mod:`.own_median` and
:mod:`.peer_group` each hold one type. :mod:`siem.detection.habits` runs them for the engine.

What a type finds is defined on the set of matches alone, so neither the order of arrival (within the allowed lateness) nor the
cuts between batches change it.
"""
