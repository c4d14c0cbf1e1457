"""The watch: it receives logs, detects, groups alerts into incidents, responds and declares.

Start with :mod:`siem.pipeline`, where the whole way of a record reads on one page. The identity provider
is met over the wire alone: its audit log one way, OpenID Connect and its administration API the other.
"""
