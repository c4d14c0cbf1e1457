"""Chains of ``temporal_ordered``: one match per rule, in the order of the list, no event following itself.

Through an entry, the shortest chain begins as late as one that ends with it can, and ends as early as one that begins with
it can; both are found in one pass over the entries in order, whatever the number of chains.
"""

from siem.detection.windows import Entry


def latest_begins(region: list[Entry], steps: int) -> list[int | None]:
    """For each entry, the latest instant at which a chain that ends with it can begin."""
    best: list[list[tuple[int, str]]] = [[] for _ in range(steps)]
    begins: list[int | None] = []
    for entry in region:
        step = entry[1]
        begin = entry[0] if step == 0 else next((at for at, event in best[step - 1] if event != entry[2]), None)
        begins.append(begin)
        if begin is not None:
            _remember(best[step], begin, entry[2], latest=True)
    return begins


def earliest_ends(region: list[Entry], steps: int) -> list[int | None]:
    """For each entry, the earliest instant at which a chain that begins with it can end."""
    best: list[list[tuple[int, str]]] = [[] for _ in range(steps)]
    ends: list[int | None] = []
    for entry in reversed(region):
        step = entry[1]
        end = entry[0] if step == steps - 1 else next((at for at, event in best[step + 1] if event != entry[2]), None)
        ends.append(end)
        if end is not None:
            _remember(best[step], end, entry[2], latest=False)
    ends.reverse()
    return ends


def _remember(best: list[tuple[int, str]], at: int, event: str, *, latest: bool) -> None:
    """Keep the two best instants of two different events: the second serves the event that must not follow itself."""
    candidates = {known: when for when, known in best}
    known = candidates.get(event)
    if known is None or (at > known if latest else at < known):
        candidates[event] = at
    ordered = sorted(((when, one) for one, when in candidates.items()), reverse=latest)
    best[:] = ordered[:2]
