"""How long events and raw records are kept: removed after their time, in small batches, unless an incident or a person holds them.

Start with :mod:`.keeper`; :mod:`.store` keeps the holds, the sweeps that were done, and the clock that was last believed.
"""
