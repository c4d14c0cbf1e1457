"""Every refusal that the provider has a word for, read from its source: the code, what it says, and the module that says it.

``docs/reference/errors.md`` is written from here, and ``test_errors_raised.py`` judges what is said.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: What is not known before it is said, by its place in the source; each is a sentence made of such refusals, or of a checked document.
PASSED_ON: Final = frozenset({"error.description", "str(error)", "text", "description"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """``text``: the description, each value that is put into it as the expression in braces that makes it."""

    error: str
    family: str
    text: str
    values: tuple[str, ...]
    path: str
    line: int


def _codes() -> dict[str, str]:
    """The registered code of each class of errors."""
    codes: dict[str, str] = {}
    for node in ast.parse((ROOT / "idp/errors.py").read_text("utf-8")).body:
        if not isinstance(node, ast.ClassDef) or node.name == "OperationError":
            continue
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        own = [
            part.value.value
            for part in node.body
            if isinstance(part, ast.Assign | ast.AnnAssign)
            and isinstance(part.value, ast.Constant)
            and isinstance(part.value.value, str)
            and "error" in ast.unparse(part.targets[0] if isinstance(part, ast.Assign) else part.target)
        ]
        codes[node.name] = own[0] if own else next((codes[base] for base in bases if base in codes), "")
    return codes


def _constants() -> dict[str, str]:
    """Texts that have a name, wherever in the provider."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "idp").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Constant):
                found[node.target.id] = str(node.value.value)
    return found


def _said(node: ast.expr, constants: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each description that an argument may be, with the expressions of what is put into it."""
    if isinstance(node, ast.IfExp):
        yield from _said(node.body, constants)
        yield from _said(node.orelse, constants)
    elif isinstance(node, ast.JoinedStr):
        text, values = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                shown = ast.unparse(part.value)
                text += constants.get(shown, f"{{{shown}}}")
                values += [] if shown in constants else [shown]
        yield text, tuple(values)
    elif isinstance(node, ast.Constant):
        yield str(node.value), ()
    else:
        shown = ast.unparse(node)
        yield (constants[shown], ()) if shown in constants else (f"{{{shown}}}", (shown,))


def refusals() -> list[Refusal]:
    """All of them, by module and line."""
    codes, constants = _codes(), _constants()
    found: list[Refusal] = []
    for path in sorted((ROOT / "idp").rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            made = [node.func.body, node.func.orelse] if isinstance(node.func, ast.IfExp) else [node.func]
            for family in (one.id for one in made if isinstance(one, ast.Name) and one.id in codes):
                for text, values in _said(node.args[0], constants):
                    found.append(Refusal(codes[family], family, text, values, place, node.lineno))
    return found


def page(header: str, table: Callable[[tuple[str, ...], Iterable[tuple[str, ...]]], str]) -> str:
    """docs/reference/errors.md."""
    rows = sorted({(f"`{one.error}`", _shown(one.text), f"`{one.path}`") for one in refusals() if one.text.strip("{}") not in PASSED_ON})
    return (
        f"{header}\n# Errors, and what each description asks for\n\n"
        "Every `error` that the provider answers, with each `error_description` it may have and the module that says it. A value that "
        "depends on the request is shown as (…). Descriptions are for the developers of a service: they name the parameter, header or "
        "setting at fault, or what to do, and repeat nothing that is secret. What else is known is in the operator's log, and, for "
        "developers whom a client names, on the page of the refused request.\n\n"
        f"{table(('error', 'description', 'said by'), rows)}"
    )


def _shown(text: str) -> str:
    return re.sub(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "(…)", text).replace("|", "\\|")
