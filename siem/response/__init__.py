"""Response: CACAO 2.0 playbooks and the executor that runs them, one stored step at a time.

Owns runs, approvals and the actions of :mod:`.actions`. Owns no incident: it records what it did through
:class:`siem.incidents.service.Incidents`. Start with :mod:`.playbook` (the files), :mod:`.runs` (the service), :mod:`.executor`.
"""
