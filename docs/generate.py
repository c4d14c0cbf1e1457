"""Write the pages of docs/reference from the code, so that they cannot say anything else.

    python docs/generate.py

Each page is a function from nothing to text, deterministic; tests/architecture/test_docs.py compares them with the files.
"""

import ast
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

import typer
import yaml
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import idp.cli
import idp.profiles
import idp.settings
import siem.cli
import siem.settings
from vocabulary.audit import AUDIT_FIELDS, ECS_CLASSES, AuditAction

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"

#: Standards that a test may name in ``@pytest.mark.spec``, by the prefix of the mark.
STANDARDS: Final[Mapping[str, str]] = {
    "RFC2104": "HMAC: Keyed-Hashing for Message Authentication",
    "RFC3339": "Date and Time on the Internet: Timestamps",
    "RFC6265": "HTTP State Management Mechanism",
    "RFC6749": "The OAuth 2.0 Authorization Framework",
    "RFC6750": "The OAuth 2.0 Authorization Framework: Bearer Token Usage",
    "RFC7009": "OAuth 2.0 Token Revocation",
    "RFC7159": "The JavaScript Object Notation (JSON) Data Interchange Format",
    "RFC7515": "JSON Web Signature (JWS)",
    "RFC7516": "JSON Web Encryption (JWE)",
    "RFC7517": "JSON Web Key (JWK)",
    "RFC7518": "JSON Web Algorithms (JWA)",
    "RFC7519": "JSON Web Token (JWT)",
    "RFC7523": "JWT Profile for OAuth 2.0 Client Authentication and Authorization Grants",
    "RFC7591": "OAuth 2.0 Dynamic Client Registration Protocol",
    "RFC7592": "OAuth 2.0 Dynamic Client Registration Management Protocol",
    "RFC7617": "The 'Basic' HTTP Authentication Scheme",
    "RFC7636": "Proof Key for Code Exchange by OAuth Public Clients",
    "RFC7638": "JSON Web Key (JWK) Thumbprint",
    "RFC7662": "OAuth 2.0 Token Introspection",
    "RFC8176": "Authentication Method Reference Values",
    "RFC8252": "OAuth 2.0 for Native Apps",
    "RFC8414": "OAuth 2.0 Authorization Server Metadata",
    "RFC8628": "OAuth 2.0 Device Authorization Grant",
    "RFC8693": "OAuth 2.0 Token Exchange",
    "RFC8705": "OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    "RFC8707": "Resource Indicators for OAuth 2.0",
    "RFC8725": "JSON Web Token Best Current Practices",
    "RFC9068": "JWT Profile for OAuth 2.0 Access Tokens",
    "RFC9101": "JWT-Secured Authorization Request (JAR)",
    "RFC9110": "HTTP Semantics",
    "RFC9111": "HTTP Caching",
    "RFC9126": "OAuth 2.0 Pushed Authorization Requests",
    "RFC9207": "OAuth 2.0 Authorization Server Issuer Identification",
    "RFC9396": "OAuth 2.0 Rich Authorization Requests",
    "RFC9440": "Client-Cert HTTP Header Field",
    "RFC9449": "OAuth 2.0 Demonstrating Proof of Possession (DPoP)",
    "RFC5280": "Internet X.509 Public Key Infrastructure Certificate and Certificate Revocation List Profile",
    "RFC9470": "OAuth 2.0 Step Up Authentication Challenge Protocol",
    "RFC9700": "Best Current Practice for OAuth 2.0 Security",
    "RFC9701": "JSON Web Token (JWT) Response for OAuth Token Introspection",
    "OIDCC": "OpenID Connect Core 1.0",
    "OIDCD": "OpenID Connect Discovery 1.0",
    "OIDCR": "OpenID Connect Dynamic Client Registration 1.0",
    "OIDCRP": "OpenID Connect RP-Initiated Logout 1.0",
    "OIDCBCL": "OpenID Connect Back-Channel Logout 1.0",
    "OIDCFCL": "OpenID Connect Front-Channel Logout 1.0",
    "OIDCSM": "OpenID Connect Session Management 1.0",
    "SSF": "OpenID Shared Signals Framework 1.0",
    "CAEP": "OpenID Continuous Access Evaluation Profile 1.0",
    "RFC8417": "Security Event Token (SET)",
    "RFC8935": "Push-Based Security Event Token (SET) Delivery Using HTTP",
    "RFC8936": "Poll-Based Security Event Token (SET) Delivery Using HTTP",
    "OAUTHFPM": "OAuth 2.0 Form Post Response Mode",
    "OIDCUAR": "OpenID Connect Core Error Code unmet_authentication_requirements 1.0",
    "JARM": "JWT Secured Authorization Response Mode for OAuth 2.0",
    "FAPI1B": "FAPI 1.0 Baseline",
    "FAPI2SP": "FAPI 2.0 Security Profile",
    "FAPI2MS": "FAPI 2.0 Message Signing",
    "CIBA": "OpenID Connect Client-Initiated Backchannel Authentication Core 1.0",
    "FAPICIBA": "Financial-grade API: Client Initiated Backchannel Authentication Profile",
    "PSC": "Pro Santé Connect: technical documentation and référentiel",
    "RGAA": "Référentiel général d'amélioration de l'accessibilité 4.1",
    "SIGMA": "Sigma rules and correlations 2.1",
    "CACAO": "Collaborative Automated Course of Action Operations 2.0",
    "ECS": "Elastic Common Schema 8",
    "CSP": "Code de la santé publique",
    "FHIR": "HL7 FHIR R4",
}

_HEADER: Final = "<!-- Written by make docs; change the code instead. -->\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    names = list(head)
    return "\n".join(["| " + " | ".join(names) + " |", "|" + " --- |" * len(names), *lines]) + "\n"


def events() -> str:
    """Audit events: the closed list, its class in ECS, and the fields an event may carry."""
    actions = _table(
        ("event.action", "event.category", "event.type"),
        ((f"`{action}`", ", ".join(ECS_CLASSES[action].category), ", ".join(ECS_CLASSES[action].type)) for action in AuditAction),
    )
    fields = _table(("field", "what it holds"), ((f"`{name}`", meaning) for name, meaning in AUDIT_FIELDS.items()))
    return (
        f"{_HEADER}\n# Audit events\n\n"
        "What the identity provider writes and the watch reads: one JSON object a line, under the names of the Elastic Common Schema. "
        "A name is never reused nor renamed.\n\n"
        f"{actions}\n## Fields\n\n"
        "Every event has `@timestamp`, `event.sequence`, `event.action`, `event.outcome` and `event.hash`: SHA-256 over the previous hash "
        f"and the line, so that a line removed or changed breaks every later one. The others are there where they apply.\n\n{fields}"
    )


def settings() -> str:
    """Settings of both programs, from their fields."""
    parts = [
        f"{_HEADER}\n# Settings\n\nEnvironment variables, read once at start. A variable with the prefix that is not listed is refused.\n"
    ]
    for title, prefix, model in (
        ("Identity provider", "IDP_", idp.settings.Settings),
        ("Watch", "SIEM_", siem.settings.Settings),
    ):
        rows = (
            (f"`{prefix}{name.upper()}`", _default(field.get_default(call_default_factory=True)), field.description or "")
            for name, field in model.model_fields.items()
        )
        parts.append(f"\n## {title}\n\n{_table(('variable', 'default', 'what it is'), rows)}")
    return "".join(parts)


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "(must be given)"
    if value is None or value == () or value == "" or isinstance(value, SecretStr):
        return "(none)"
    if isinstance(value, timedelta):
        return f"`{int(value.total_seconds())}` s"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return f"`{value.relative_to(ROOT)}` of the installation"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def cli() -> str:
    """Both command lines, from their own help."""
    parts = [f"{_HEADER}\n# Command lines\n\nExit status: 0 done, 1 findings, 2 wrong usage.\n"]
    for name, application in (("idp", idp.cli.app), ("siem", siem.cli.app)):
        command = typer.main.get_command(application)
        parts.append(f"\n## {name}\n\n{_prose(command.help)}\n")
        parts += [_command(path, leaf) for path, leaf in _leaves(name, command)]
    return "".join(parts)


def _leaves(path: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, child in sorted(command.commands.items()):
            yield from _leaves(f"{path} {name}", child)
    elif isinstance(command, TyperCommand):
        yield path, command


def _command(path: str, command: TyperCommand) -> str:
    arguments = [str(parameter.name).upper() for parameter in command.params if isinstance(parameter, TyperArgument)]
    options = [parameter for parameter in command.params if isinstance(parameter, TyperOption) and not parameter.hidden]
    rows = [(", ".join(f"`{name}`" for name in option.opts + option.secondary_opts), _prose(option.help)) for option in options]
    table = "\n" + _table(("option", "what it does"), rows) if rows else ""
    return f"\n### `{' '.join([path, *arguments])}`\n\n{_prose(command.help)}\n{table}"


def _prose(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def standards() -> str:
    """Which test proves which paragraph, from the ``spec`` marks of the tests."""
    proofs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for requirement, test in spec_marks():
        proofs[requirement.split("-")[0]][requirement].append(test)
    parts = [f"{_HEADER}\n# Standards and the tests that prove them\n\nEach test names the paragraph it proves with `@pytest.mark.spec`.\n"]
    for standard in sorted(proofs, key=_in_order):
        rows = (
            (requirement, "<br>".join(sorted(proofs[standard][requirement]))) for requirement in sorted(proofs[standard], key=_in_order)
        )
        parts.append(f"\n## {standard}: {STANDARDS.get(standard, '')}\n\n{_table(('paragraph', 'proved by'), rows)}")
    return "".join(parts)


def _in_order(text: str) -> list[tuple[int, str]]:
    """Numbers inside a text sort as numbers: RFC6749-4.1.2 before RFC6749-4.1.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", text)]


def spec_marks() -> Iterator[tuple[str, str]]:
    """(requirement, path and sentence) of every ``@pytest.mark.spec(…)`` on a function, and of a module's ``pytestmark``."""
    for requirement, path, test in _marked("spec"):
        yield requirement, f"`{path}` {test}"


def _marked(name: str) -> Iterator[tuple[str, str, str]]:
    """(argument, path, sentence) of every mark of that name."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        assigned = [node for node in tree.body if isinstance(node, ast.Assign) and _names_pytestmark(node)]
        module = [mark for node in assigned for mark in _marks(name, ast.walk(node.value))]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for argument in {*module, *_marks(name, node.decorator_list)}:
                    yield argument, str(path.relative_to(ROOT)), node.name.removeprefix("test_").replace("_", " ")


def _names_pytestmark(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)


def _marks(name: str, nodes: Iterable[ast.AST]) -> list[str]:
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}"]
    arguments = [part for call in calls for argument in call.args for part in ast.walk(argument)]
    return [part.value for part in arguments if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def attacks() -> str:
    """Each class of attack with the incidents that show it, and the tests that repeat them."""
    tests: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for precedent, path, test in _marked("precedent"):
        tests[precedent].add((path, test))
    parts = [
        f"{_HEADER}\n# Attacks\n\nWhat happened to other providers, and the test that does the same to this one, from outside. "
        "A test names its incident with `@pytest.mark.precedent`; one without a test fails the build.\n"
    ]
    for attack in _table_of_tests("tests/attacks/classes.py").CLASSES:
        precedents = "; ".join(f"{where}: {name}" for name, where in attack.precedents.items())
        found = sorted({proof for name in attack.precedents for proof in tests[name]})
        by_file = {path: [test for file, test in found if file == path] for path, _ in found}
        rows = ((f"`{path}`", "<br>".join(sentences)) for path, sentences in by_file.items())
        parts.append(f"\n## {attack.title}\n\n{precedents}.\n\n{_table(('file', 'tests'), rows)}")
    return "".join(parts)


def rfc9700() -> str:
    """Each section of the current best practice for OAuth's security, and what proves it here."""
    table = _table_of_tests("tests/attacks/rfc9700.py")
    proofs: defaultdict[str, set[str]] = defaultdict(set)
    for requirement, test in spec_marks():
        proofs[requirement.removeprefix("RFC9700-")].add(test)
    rows = (
        (section, title, "<br>".join(sorted(proofs[section])) or f"not applicable: {table.NOT_APPLICABLE.get(section, '')}")
        for section, title in table.SECTIONS.items()
    )
    return (
        f"{_HEADER}\n# RFC 9700\n\nEach section of *Best Current Practice for OAuth 2.0 Security* that asks something, and its tests. "
        f"A section without test or reason fails the build.\n\n{_table(('section', 'what it is about', 'proved by'), rows)}"
    )


def _table_of_tests(path: str) -> Any:
    """A module of the tests that holds a table, loaded from its file: the tests are no package."""
    specification = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    if specification is None or specification.loader is None:
        raise RuntimeError(f"{path} is gone")
    table = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(table)
    return table


def profiles() -> str:
    """Every difference between the profiles, from the table of switches."""
    rows = (
        (f"`{switch.name}`", *(_default(value) for value in (switch.psc, switch.baseline, switch.fapi2)), switch.meaning, switch.source)
        for switch in idp.profiles.SWITCHES
    )
    return (
        f"{_HEADER}\n# Profiles and their switches\n\n"
        "What a client is held to, and what it meets. A client has a profile, and `quirks` in its registration override single switches. "
        "`tests/contract/test_switches.py` turns each of them and sees that a service meets what is said here, and nothing else.\n\n"
        "Three concern the whole provider and are settings: `IDP_DISCOVERY_PATHS` (under which name the metadata is), "
        "`IDP_DISCOVERY_PSC_VALUES` (what it says) and `IDP_ISSUER_HOST_SERVED` (an issuer with another host than the pages).\n\n"
        f"{_table(('switch', 'psc', 'baseline', 'fapi2', 'what it does', 'where that is known from'), rows)}"
    )


def rules() -> str:
    """The detection rules, from their files."""
    rows = [_rule(path, document) for path in sorted((ROOT / "rules").rglob("*.yml")) for document in _documents(path)]
    head = ("rule", "in French", "level", "techniques", "file")
    return f"{_HEADER}\n# Detection rules\n\n{len(rows)} rules, each with a match and a near miss in `tests/rules`.\n\n{_table(head, rows)}"


def _documents(path: Path) -> list[Mapping[str, object]]:
    documents = yaml.safe_load_all(path.read_text("utf-8"))
    return [document for document in documents if isinstance(document, dict) and "title" in document]


def _rule(path: Path, document: Mapping[str, object]) -> tuple[str, ...]:
    ours = document.get("veilleur")
    tags = document.get("tags")
    techniques = [
        str(tag).removeprefix("attack.").upper() for tag in (tags if isinstance(tags, list) else ()) if re.match(r"attack\.t\d", str(tag))
    ]
    french = str(ours.get("titre", "")) if isinstance(ours, dict) else ""
    return str(document["title"]), french, str(document.get("level", "")), ", ".join(techniques), f"`{path.relative_to(ROOT)}`"


def conformance() -> str:
    """The modules of the certification plans: the test that looks at what each looks at, and what the Foundation's suite found."""
    plans = _table_of_tests("tests/conformance/plans.py")
    reasons = _table_of_tests("tests/conformance/foundation/reasons.py")
    verdicts = _table_of_tests("tests/conformance/foundation/verdicts.py")
    runs = verdicts.load(ROOT / "tests/conformance/foundation/verdicts.json")
    tests = plans.module_tests(ROOT / "tests/conformance")
    parts = [
        f"{_HEADER}\n# Conformance\n\nThe certification plans of the OpenID Foundation, module by module: the test of ours of the same "
        "name, which runs at every change, and the verdict of the Foundation's own suite, which is run by hand "
        "([how](../how-to/run-the-conformance-suite.md)). `review` is a module that passed and shows a picture of a page, for a person "
        "to look at; `skipped` is the suite's own decision, from what discovery announces.\n\n",
        _table(("plan", "variant", "found", "on", "provider", "suite"), map(verdicts.row, runs.values())),
    ]
    for plan, modules in plans.PLANS.items():
        found = verdicts.by_module(plan, runs.values())
        rows = (
            (
                f"`{module}`",
                found.get(module, "–"),
                reasons.reason(plan, module),
                *_module_state(tests.get(plans.name_of_test(module)), module, plans.NOT_APPLICABLE),
            )
            for module in modules
        )
        head = ("module", "the suite", "why", "here", "what is looked at, or why it is not")
        parts.append(f"\n## `{plan}`\n\n{_table(head, rows)}")
    return "".join(parts)


def _module_state(found: tuple[Path, str] | None, module: str, reasons: Mapping[str, str]) -> tuple[str, str]:
    if found is None:
        return "not applicable", reasons[module]
    path, text = found
    return "tested", f"{_prose(text)} (`{path.relative_to(ROOT)}`)".strip()


def disagreements() -> str:
    """Where other implementations of Sigma say something else, with the tests that play both sides."""
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for name, path, test in _marked("disagreement"):
        tests[name].add(f"`{path}` {test}")
    page: str = _table_of_tests("tests/siem/detection/disagreements.py").page(_HEADER, tests, _table)
    return page


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "disagreements.md": disagreements,
    "events.md": events,
    "settings.md": settings,
    "cli.md": cli,
    "standards.md": standards,
    "conformance.md": conformance,
    "attacks.md": attacks,
    "rfc9700.md": rfc9700,
    "rules.md": rules,
    "profiles.md": profiles,
    "errors.md": lambda: _table_of_tests("tests/idp/refusals.py").page(_HEADER, _table),
}


def main() -> int:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
