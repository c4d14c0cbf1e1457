"""Sets of indicators of compromise: read from STIX 2.1 bundles and plain lists, kept as files that are looked up without being loaded.

:mod:`.stix` and :mod:`.lists` read what others send; :mod:`.book` is one set in a file; :mod:`.allow` what raises no alert though it is
listed; :mod:`.sets` the folder of all of them, which a running watch follows. What a match becomes is :mod:`siem.detection.indicators`.
"""
