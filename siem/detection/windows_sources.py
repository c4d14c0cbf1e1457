"""Log sources of Windows: which channel and event numbers a rule's category or service names.

Events are flat objects with the names of the event log (``Channel``, ``EventID``, ``Image`` …), as collectors write them.

Source: Microsoft Sysinternals, Sysmon event types; Microsoft, Windows event channels; Sigma appendix «Taxonomy».
"""

from collections.abc import Mapping
from typing import Final

from siem.detection.logsource import LogSource

_SYSMON: Final = "microsoft-windows-sysmon/operational"
_POWERSHELL: Final = "microsoft-windows-powershell/operational"

#: Category → numbers of Sysmon's events.
_SYSMON_EVENTS: Final[Mapping[str, tuple[int, ...]]] = {
    "process_creation": (1,),
    "file_change": (2,),
    "network_connection": (3,),
    "sysmon_status": (4, 16),
    "process_termination": (5,),
    "driver_load": (6,),
    "image_load": (7,),
    "create_remote_thread": (8,),
    "raw_access_thread": (9,),
    "process_access": (10,),
    "file_event": (11,),
    "registry_add": (12,),
    "registry_delete": (12,),
    "registry_set": (13,),
    "registry_rename": (14,),
    "registry_event": (12, 13, 14),
    "create_stream_hash": (15,),
    "pipe_created": (17, 18),
    "wmi_event": (19, 20, 21),
    "dns_query": (22,),
    "file_delete": (23, 26),
    "clipboard_capture": (24,),
    "process_tampering": (25,),
    "file_block_executable": (27,),
    "file_block_shredding": (28,),
    "file_executable_detected": (29,),
    "sysmon_error": (255,),
}
#: Category → channel and event numbers, outside Sysmon.
_OTHER_EVENTS: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "ps_module": (_POWERSHELL, (4103,)),
    "ps_script": (_POWERSHELL, (4104,)),
    "ps_classic_start": ("windows powershell", (400,)),
    "ps_classic_provider_start": ("windows powershell", (600,)),
    "ps_classic_script": ("windows powershell", (800,)),
    "file_access": ("microsoft-windows-kernel-file/analytic", (12,)),
    "file_rename": ("microsoft-windows-kernel-file/analytic", (19, 27)),
}
#: Service → channels.
_CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "application": ("application",),
    "applocker": tuple(
        f"microsoft-windows-applocker/{name}"
        for name in ("exe and dll", "msi and script", "packaged app-deployment", "packaged app-execution")
    ),
    "appmodel-runtime": ("microsoft-windows-appmodel-runtime/admin",),
    "appxdeployment-server": ("microsoft-windows-appxdeploymentserver/operational",),
    "appxpackaging-om": ("microsoft-windows-appxpackaging/operational",),
    "bits-client": ("microsoft-windows-bits-client/operational",),
    "capi2": ("microsoft-windows-capi2/operational",),
    "certificateservicesclient-lifecycle-system": ("microsoft-windows-certificateservicesclient-lifecycle-system/operational",),
    "codeintegrity-operational": ("microsoft-windows-codeintegrity/operational",),
    "diagnosis-scripted": ("microsoft-windows-diagnosis-scripted/operational",),
    "dns-client": ("microsoft-windows-dns client events/operational",),
    "dns-server": ("dns server",),
    "dns-server-analytic": ("microsoft-windows-dns-server/analytical",),
    "driver-framework": ("microsoft-windows-driverframeworks-usermode/operational",),
    "firewall-as": ("microsoft-windows-windows firewall with advanced security/firewall",),
    "iis-configuration": ("microsoft-iis-configuration/operational",),
    "ldap": ("microsoft-windows-ldap-client/debug",),
    "lsa-server": ("microsoft-windows-lsa/operational",),
    "microsoft-servicebus-client": ("microsoft-servicebus-client/operational", "microsoft-servicebus-client/admin"),
    "msexchange-management": ("msexchange management",),
    "ntlm": ("microsoft-windows-ntlm/operational",),
    "openssh": ("openssh/operational",),
    "powershell": (_POWERSHELL, "powershellcore/operational"),
    "powershell-classic": ("windows powershell",),
    "printservice-admin": ("microsoft-windows-printservice/admin",),
    "printservice-operational": ("microsoft-windows-printservice/operational",),
    "security": ("security",),
    "security-mitigations": ("microsoft-windows-security-mitigations/kernel mode", "microsoft-windows-security-mitigations/user mode"),
    "shell-core": ("microsoft-windows-shell-core/operational",),
    "smbclient-connectivity": ("microsoft-windows-smbclient/connectivity",),
    "smbclient-security": ("microsoft-windows-smbclient/security",),
    "smbserver-connectivity": ("microsoft-windows-smbserver/connectivity",),
    "sysmon": (_SYSMON,),
    "system": ("system",),
    "taskscheduler": ("microsoft-windows-taskscheduler/operational",),
    "terminalservices-localsessionmanager": ("microsoft-windows-terminalservices-localsessionmanager/operational",),
    "windefend": ("microsoft-windows-windows defender/operational",),
    "wmi": ("microsoft-windows-wmi-activity/operational",),
}


def windows_sources() -> tuple[LogSource, ...]:
    """The log sources of Windows."""
    sysmon = [
        LogSource("windows", category, "sysmon", {"Channel": frozenset({_SYSMON}), "EventID": frozenset(map(str, numbers))})
        for category, numbers in _SYSMON_EVENTS.items()
    ]
    others = [
        LogSource("windows", category, "", {"Channel": frozenset({channel}), "EventID": frozenset(map(str, numbers))})
        for category, (channel, numbers) in _OTHER_EVENTS.items()
    ]
    services = [LogSource("windows", "", service, {"Channel": frozenset(channels)}) for service, channels in _CHANNELS.items()]
    return (*sysmon, *others, *services)
