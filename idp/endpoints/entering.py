"""Where every means of login ends: a session of its own begins, and the browser goes back to the request that waited for it."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from idp.endpoints.doors import origin_of
from idp.endpoints.visit import Visit
from idp.model import Account
from idp.people.directory import profession_keys
from idp.sessions import set_cookie, start
from vocabulary.audit import AuditAction, AuditValue, Outcome


async def enter(
    visit: Visit, account: Account, method: str, proof: Mapping[str, AuditValue | None], *, device_id: str | None = None
) -> Response:
    """Begin the session of who has just proved who they are by ``method``; ``proof``: what the audit log says of how."""
    provider, request = visit.provider, visit.request
    origin = origin_of(provider, request)
    yielded = provider.methods[method]
    proved = replace(visit.interaction, authenticated_at=provider.clock())
    session, cookie_value = await start(provider, request, account, method, yielded.acr, yielded.amr, device_id)
    await provider.store.interactions.put(proved)
    provider.audit.record(
        AuditAction.LOGIN_SUCCEEDED,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id,
            "user.roles": profession_keys(account.directory),
            "source.ip": origin.ip,
            "user_agent.original": origin.user_agent,
            "health.relying_party.id": visit.client.client_id,
            "health.session.id": session.id,
            "health.authentication.method": method,
            "health.authentication.acr": yielded.acr,
            "health.authentication.amr": list(yielded.amr),
            "health.device.id": device_id,
            "health.structure.finess": visit.client.structure_finess,
            **proof,
        },
    )
    if visit.interaction.device_code_hash is not None:
        # The session is the device's: a browser that only lent its screen keeps none.
        await provider.store.interactions.put(replace(proved, session_id=session.id))
        return RedirectResponse(f"/device/{visit.interaction.id}/done", 303)
    response = RedirectResponse(f"/auth/resume/{visit.interaction.id}", 303)
    set_cookie(response, session, cookie_value, https=provider.https)
    return response
