"""Inputs: where bytes come from. Each hands records to the queue, which makes them durable, and understands none of them.

:mod:`.file` follows log files, :mod:`.http` receives from shippers. What the bytes mean is the business of :mod:`siem.sources`.
"""
