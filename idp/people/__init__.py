"""Who the people are: their entry in the directory, and what a client is told of them.

Owns the shape of a professional's entry (the PSC userinfo tree), the file that people are read from, and the claims built
from an account. Does not own how they log in. Start with :mod:`.directory`.
"""
