"""Benchmarks: how much one processor does in one second, beside the budget and beside what bounds it.

Owns the measuring; the budgets stand in docs/benchmarks.md. Start with :mod:`bench.__main__` (``make bench``).
"""
