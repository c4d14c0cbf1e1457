"""History: the rules over the events already stored, with the answers that the live pipeline gives.

A rule's condition becomes a condition on the event table (:mod:`.leaves`, :mod:`.translation`) that lets through every event the rule
could need; the engine, the very one of the pipeline, decides about those (:mod:`.hunt`). Owns no store of events and no rule.
"""
