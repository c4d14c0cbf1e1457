"""The service's side of device approval: a service asks for a person by itself, without a browser (CIBA §7).

The same counters, the same silence about who exists, and the same question on the phone as in
:mod:`idp.authentication.device_login`; only what is compared differs.
"""

from idp.authentication.device_approval import Origin, ServiceQuestion, new_service_approval
from idp.authentication.device_login import Doors, record_asked
from idp.authentication.limits import admit_account, normalised_national_id, shadow_account_id
from idp.model import AccountState, Approval, Client


async def ask_for_service(doors: Doors, client: Client, hint: str, origin: Origin, question: ServiceQuestion) -> tuple[Approval, bool]:
    """Put the question to the phones of whoever ``hint`` names (PS_IdNat or bare RPPS); also says whether somebody can answer it.

    For someone unknown or suspended a question is stored that nobody can answer, so that the service learns nothing
    from the answer or its time. Raises AuthenticationRefused ``too_many_attempts``, which the caller writes down.
    """
    now = doors.clock()
    national_id = normalised_national_id(hint)
    shadow_id = shadow_account_id(doors.pepper, national_id)
    await admit_account(doors.store.counters, doors.limits, shadow_id=shadow_id, ip=origin.ip, now=now)
    account = await doors.store.accounts.find_by_national_id(national_id)
    able = account is not None and account.state is AccountState.ACTIVE
    account_id = account.id if account is not None and able else shadow_id
    approval = new_service_approval(client, account_id, origin, now, question)
    await doors.store.interactions.put_approval(approval)
    record_asked(doors, approval, account, client, able=able)
    return approval, able
