"""Nouns that both applications speak: audit events, health identifiers, code tables.

Owns the contract between the identity provider and the watch. Owns no input, no output and no
framework: standard library alone. Start with :mod:`vocabulary.audit`.
"""
