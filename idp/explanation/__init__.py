"""Why a request of a client was refused, for those who develop the client: what was sent beside what is registered.

Owns what is kept of a refused request, and the comparison. Decides nothing: the request was refused by the checks of the protocol,
and is looked at again here. Start with :func:`idp.explanation.comparison.compare`.
"""
