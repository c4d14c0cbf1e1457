"""Telling others that something ended: a signal becomes messages, and each message is tried until it is heard or given up.

The store keeps a signal in the transaction of what it tells of (:class:`idp.store.SignalStore`). :func:`spread` turns it into one
message for each recipient, :func:`deliver` sends those that are due. Both are run again and again by the application, in any
number of processes: a signal is spread once, and a message is one process's at a time.
"""

from idp.signals.deliver import deliver
from idp.signals.services import Services
from idp.signals.spread import spread

__all__ = ["Services", "deliver", "spread"]
