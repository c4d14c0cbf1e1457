"""The desk: declarations as the receiving side has them, by state and region, and what is answered to each."""

import json
from typing import Final

from starlette.responses import Response

from siem.console.visit import Problem, Visit
from siem.declarations.desk import DeskState
from siem.declarations.model import MoveRefused

_MOST: Final = 200


def index(visit: Visit) -> Response:
    """Declarations received, latest first, by state and region."""
    query, desk = visit.query, visit.services.desk
    state = DeskState(query.get("etat")) if query.get("etat") in set(DeskState) else None
    everything = desk.list(visit.principal, limit=_MOST)
    shown = (
        desk.list(visit.principal, state=state, region=query.get("region") or None, limit=_MOST)
        if state or query.get("region")
        else everything
    )
    return visit.render(
        "desk.html",
        declarations=shown,
        states=list(DeskState),
        regions=sorted({declaration.region for declaration in everything}),
        query=query,
        filtered=bool(state or query.get("region")),
    )


def show(visit: Visit) -> Response:
    """One declaration: what it says, and the answer to give."""
    return _page(visit)


def decide(visit: Visit) -> Response:
    """Acknowledge, qualify, ask for a complement or set aside."""
    form = visit.form
    if form.get("etat") not in set(DeskState):
        raise Problem(400, "unreadable")
    try:
        visit.services.desk.decide(visit.parameter("number"), DeskState(form.get("etat")), form.get("motif"), visit.principal)
    except MoveRefused as refused:
        return _page(visit, errors={"motif": str(refused)}, status=422)
    return visit.redirect(f"/guichet/{visit.parameter('number')}", visit.language.text("desk.decided"))


def _page(visit: Visit, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    declaration, body = visit.services.desk.get(visit.parameter("number"), visit.principal)
    return visit.render(
        "declaration.html",
        status=status,
        declaration=declaration,
        blocks=_blocks(body),
        states=list(DeskState),
        errors=errors or {},
        typed=visit.form,
    )


def _blocks(body: bytes) -> dict[str, list[tuple[str, str]]]:
    """The declaration's blocks, each as lines of a key and its text; ``""`` holds what stands outside a block."""
    blocks: dict[str, list[tuple[str, str]]] = {"": []}
    for name, value in json.loads(body).items():
        if isinstance(value, dict):
            blocks[name] = _lines("", value)
        else:
            blocks[""].append((name, _text(value)))
    return {name: lines for name, lines in blocks.items() if lines}


def _lines(prefix: str, tree: dict[str, object]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, value in tree.items():
        lines += _lines(f"{prefix}{key}.", value) if isinstance(value, dict) else [(prefix + key, _text(value))]
    return lines


def _text(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} : {_text(item)}" for key, item in value.items())
    return {True: "oui", False: "non"}.get(value, "") if isinstance(value, bool) else str(value)
