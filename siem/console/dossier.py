"""Dossiers of declaration: the list, one section of a form at a time, the preview, validation, filing, downloads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from starlette.responses import Response

from siem.console.visit import NotFound, Problem, Visit
from siem.declarations.model import (
    DeclarationRefused,
    DossierAbsent,
    DossierIncomplete,
    DossierPage,
    DossierState,
    FieldError,
    FormView,
    NotAllowed,
    SectionView,
    Transmission,
)

_PARIS: Final = ZoneInfo("Europe/Paris")
#: What a download is served as, by the end of its address.
_MEDIA: Final = {"pdf": "application/pdf", "json": "application/json", "stix": "application/stix+json;version=2.1"}


def index(visit: Visit) -> Response:
    """Every dossier this person sees, last changed first."""
    dossiers = visit.services.dossiers.list(visit.principal)
    state = visit.query.get("etat")
    shown = [dossier for dossier in dossiers if not state or dossier.state == state]
    running = {dossier.id: visit.services.dossiers.deadlines(dossier, language=visit.language.code) for dossier in shown}
    clocks = {
        identifier: next((deadline for deadline in deadlines if deadline.remaining is not None), None)
        for identifier, deadlines in running.items()
    }
    return visit.render("dossiers.html", dossiers=shown, clocks=clocks, state=state, states=list(DossierState), query=visit.query)


def show(visit: Visit) -> Response:
    """One dossier: where it stands, its clocks, and one section open (``?section=``)."""
    return _page(visit, visit.services.dossiers.page(visit.parameter("id"), visit.principal, language=visit.language.code))


def save(visit: Visit) -> Response:
    """Save one section, all of it or nothing, and go to the next one that lacks something."""
    dossiers, form, principal, language = visit.services.dossiers, visit.form, visit.principal, visit.language.code
    dossier_id, section_id = visit.parameter("id"), visit.parameter("section")
    page = dossiers.page(dossier_id, principal, language=language)
    section = _section(page, section_id)
    if section is None:
        raise NotFound
    values: dict[str, str | list[str]] = {}
    for view in section.fields:
        if view.read_only:
            continue
        values[view.key] = form.all(view.key) if view.type == "choices" else form.get(view.key).replace("\r\n", "\n")
    unknown = form.all("inconnu")
    errors = dossiers.save_section(dossier_id, section_id, values, principal, unknown=unknown, language=language)
    if errors:
        typed = dossiers.page(dossier_id, principal, language=language, errors=errors, typed=values)
        return _page(visit, typed, section_id=section_id, errors=errors, status=422)
    after = dossiers.page(dossier_id, principal, language=language)
    following = _following(after, section_id)
    target = f"/dossiers/{dossier_id}?section={following.id}#section" if following else f"/dossiers/{dossier_id}"
    return visit.redirect(target, visit.language.text("dossier.saved", section=section.title))


def submit(visit: Visit) -> Response:
    """Ask the director to validate."""
    return _then(visit, "dossier.submitted", lambda: visit.services.dossiers.submit(visit.parameter("id"), visit.principal))


def send_back(visit: Visit) -> Response:
    """Back to draft, with a reason."""
    return _then(
        visit,
        "dossier.sent_back",
        lambda: visit.services.dossiers.send_back(visit.parameter("id"), visit.form.get("motif"), visit.principal),
    )


def validate(visit: Visit) -> Response:
    """The director or delegate of this establishment says that it may go; the version is frozen."""
    if visit.form.get("relu") != "oui":
        error = FieldError("relu", visit.language.text("dossier.validation.read"), visit.language.text("dossier.validation.read_missing"))
        return _again(visit, [error], status=422)
    return _then(visit, "dossier.validated", lambda: visit.services.dossiers.validate(visit.parameter("id"), visit.principal))


def file(visit: Visit) -> Response:
    """File the validated version with the desk."""
    return _then(visit, "dossier.filed", lambda: visit.services.dossiers.file(visit.parameter("id"), visit.principal))


def cancel(visit: Visit) -> Response:
    """Give up before transmission."""
    return _then(
        visit, "dossier.cancelled", lambda: visit.services.dossiers.cancel(visit.parameter("id"), visit.form.get("motif"), visit.principal)
    )


def move(visit: Visit) -> Response:
    """Follow what the authority answered."""
    state = visit.form.get("etat")
    if state not in set(DossierState):
        raise Problem(400, "unreadable")
    return _then(
        visit,
        "dossier.moved",
        lambda: visit.services.dossiers.move(visit.parameter("id"), DossierState(state), visit.form.get("motif"), visit.principal),
    )


def transmit(visit: Visit) -> Response:
    """Note a declaration made elsewhere by a person: when, how, under which reference."""
    form = visit.form
    errors = [
        FieldError(name, visit.language.text(f"dossier.transmission.{name}"), visit.language.text("form.required"))
        for name in ("le", "canal", "reference")
        if not form.get(name)
    ]
    at = _paris(form.get("le"))
    if form.get("le") and at is None:
        errors.append(FieldError("le", visit.language.text("dossier.transmission.le"), visit.language.text("form.bad_instant")))
    if errors or at is None:
        return _again(visit, errors, status=422)
    form_id, _, stage = form.get("declaration").partition("/")
    actor = visit.principal
    made = Transmission(
        form_id=form_id, stage=stage, at=at, channel=form.get("canal"), reference=form.get("reference"), actor=actor.subject
    )
    return _then(visit, "dossier.transmitted", lambda: visit.services.dossiers.record_transmission(visit.parameter("id"), made, actor))


def preview(visit: Visit) -> Response:
    """The declaration as the authority will read it."""
    page = visit.services.dossiers.page(visit.parameter("id"), visit.principal, language=visit.language.code)
    form = next((form for form in page.forms if form.id == visit.query.get("declaration")), page.forms[0] if page.forms else None)
    return visit.render("dossier_preview.html", page=page, dossier=page.dossier, form=form)


def receipt(visit: Visit) -> Response:
    """The desk's latest receipt of a dossier, whole."""
    dossier = visit.services.dossiers.get(visit.parameter("id"), visit.principal)
    receipts = visit.services.dossiers.receipts(dossier.id, visit.principal)
    if not receipts:
        raise NotFound
    return visit.render("receipt.html", dossier=dossier, receipt=receipts[-1])


def download(visit: Visit) -> Response:
    """The declaration as PDF, JSON or STIX: the last frozen version, or ``?version=``."""
    kind = visit.request.url.path.rpartition(".")[2]
    dossiers = visit.services.dossiers
    export = {"pdf": dossiers.pdf, "json": dossiers.json, "stix": dossiers.stix}[kind]
    version = visit.query.number("version")
    content = export(visit.parameter("id"), visit.principal, version)
    name = f"{dossiers.get(visit.parameter('id'), visit.principal).incident_number}{f'-v{version}' if version else ''}.{kind}"
    safe = "".join(character if character.isalnum() or character in "-_." else "-" for character in name)
    return Response(content, media_type=_MEDIA[kind], headers={"Content-Disposition": f'attachment; filename="declaration-{safe}"'})


def _then(visit: Visit, key: str, action: object) -> Response:
    """Do it and say so; what is missing comes back as an error summary, the rest as a refusal on the page."""
    assert callable(action)
    try:
        action()
    except DossierIncomplete as refused:
        return _again(visit, refused.errors, status=422)
    except (DossierAbsent, NotAllowed):
        raise
    except DeclarationRefused as refused:
        return _again(visit, [FieldError("", "", str(refused))], status=409)
    return visit.redirect(f"/dossiers/{visit.parameter('id')}", visit.language.text(key))


def _again(visit: Visit, errors: Sequence[FieldError], *, status: int) -> Response:
    page = visit.services.dossiers.page(visit.parameter("id"), visit.principal, language=visit.language.code)
    return _page(visit, page, errors=errors, status=status)


def _page(visit: Visit, page: DossierPage, *, section_id: str = "", errors: Sequence[FieldError] = (), status: int = 200) -> Response:
    wanted = section_id or visit.query.get("section") or next((error.section for error in errors if error.section), "")
    section = _section(page, wanted)
    here = {view.key for view in section.fields} if section else set()
    return visit.render(
        "dossier.html",
        status=status,
        page=page,
        dossier=page.dossier,
        section=section,
        form=_form_of(page, section),
        following=_following(page, section.id) if section else _first_missing(page),
        errors=[(error, _place(page, error, here)) for error in errors],
        typed=visit.form,
        states=[
            state for state in DossierState if state not in {DossierState.BROUILLON, DossierState.A_VALIDER, DossierState.VALIDE_DIRECTION}
        ],
    )


def _place(page: DossierPage, error: FieldError, here: set[str]) -> str:
    """Where an error's link leads: the field on this page, the section that holds it, or the form named by the key."""
    if error.key in here or not error.key:
        return f"#champ-{error.key}" if error.key else "#contenu"
    section = next(
        (section for form in page.forms for section in form.sections if any(view.key == error.key for view in section.fields)), None
    )
    return f"?section={section.id}#champ-{error.key}" if section else f"#champ-{error.key}"


def _section(page: DossierPage, section_id: str) -> SectionView | None:
    return next((section for form in page.forms for section in form.sections if section.id == section_id), None)


def _form_of(page: DossierPage, section: SectionView | None) -> FormView | None:
    return next((form for form in page.forms if section is not None and form.id == section.form_id), None)


def _following(page: DossierPage, section_id: str) -> SectionView | None:
    """The next section, in the order of the forms, that lacks something."""
    sections = [section for form in page.forms for section in form.sections]
    position = next((number for number, section in enumerate(sections) if section.id == section_id), -1)
    return next((section for section in sections[position + 1 :] if section.missing_count), None)


def _first_missing(page: DossierPage) -> SectionView | None:
    return next((section for form in page.forms for section in form.sections if section.missing_count), None)


def _paris(text: str) -> datetime | None:
    """The instant of a ``datetime-local`` input, which is Paris time."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=_PARIS)
    except ValueError:
        return None
