"""The watch's stores: the database of its state, the queue of received records, the events.

Each domain keeps its tables beside its code (``siem/incidents/store.py`` …) on the one MetaData of
:mod:`siem.store.database`, so that the pipeline can commit a batch's whole effect in one transaction.
"""
