"""The OpenID Provider: it proves who a person is and issues tokens to the services that ask.

Owns the protocol, the people's means of login, keys and sessions. Does not own detection: it writes
audit events and the watch reads them. Start with :mod:`idp.authorization` (the table of checks of
/authorize) and :mod:`idp.grants` (the phases of /token).
"""
