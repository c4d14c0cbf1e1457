"""By which means a person may log in to what asks for them, when it asks for a level (OpenID Connect Core §3.1.2.1, §5.5.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.authorization.request_level import wanted_level
from idp.endpoints.visit import Visit


@dataclass(frozen=True, slots=True)
class Means:
    """``names``: those that may be chosen; ``preferred``: the first that reaches ``wanted``, the level asked for (0: none is)."""

    names: Sequence[str]
    preferred: str
    reaching: frozenset[str]
    wanted: int
    #: Nothing below the level will do.
    essential: bool


def means_of(visit: Visit) -> Means:
    """Those that are offered; where the client must have a level, only those that reach it.

    A level that nobody here reaches is no reason to prefer anything: the request goes on with what can be had, or was refused already.
    """
    offered = visit.provider.methods
    wish = wanted_level(visit.interaction.request, visit.client)
    lowest = min(wish.levels, default=0)
    reaching = [name for name, method in offered.items() if method.level >= lowest]
    if not reaching:
        lowest, reaching = 0, list(offered)
    names = reaching if wish.essential else list(offered)
    wanted = lowest if len(reaching) < len(offered) else 0
    return Means(names=names, preferred=reaching[0], reaching=frozenset(reaching), wanted=wanted, essential=wish.essential)
