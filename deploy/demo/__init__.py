"""One night of a small territory, played against a real provider and a real watch.

The player is a client like any other: it speaks HTTP to both, writes the access logs of the services it
plays, and imports nothing of theirs. Start with :mod:`deploy.demo.night`, the plan; :mod:`.stage` starts
and stops the processes; :mod:`.people` acts as the analyst and the director when nobody is there to.
"""
