"""A plan as a file: which plan of the Foundation, in which variant, configured how, and which clients the provider must know.

``configuration`` is what the suite takes, ``clients`` what ``idp clients apply`` takes. Neither holds a secret or an address: a text
``${name}`` stands for what is only known once the parts run (:data:`Values`), and keys and certificates are made for each run.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joserfc.jwk import ECKey, RSAKey

from idp.profiles import SWITCHES
from tests.end_to_end.tls_proxy import AUTHORITY, NOW
from tests.idp.certificates import Issued

#: The switches that leave OpenID Connect alone of profile ``psc``, the one that does without PKCE, as the Foundation's older plans do.
PLAIN: Final = {switch.name: switch.baseline for switch in SWITCHES if switch.name != "pkce_required"}
FOLDER: Final = Path(__file__).parent / "plans"
Values = Mapping[str, Any]
_NAME: Final = re.compile(r"\$\{([a-z0-9_.-]+)\}")
_MEMBERS: Final = {"plan", "variant", "configuration", "clients", "keys", "certificates"}


class PlanError(ValueError):
    """A plan's file cannot be used; the text names it and what is wrong."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """One file, unfilled. ``keys``: name → algorithm; ``certificates``: name → subject."""

    name: str
    plan: str
    variant: Mapping[str, str]
    configuration: Mapping[str, Any]
    clients: tuple[Mapping[str, Any], ...]
    keys: Mapping[str, str]
    certificates: Mapping[str, str]

    @property
    def title(self) -> str:
        """The plan with what was chosen, as one line."""
        chosen = ", ".join(f"{name}={value}" for name, value in self.variant.items())
        return f"{self.plan} ({chosen})" if chosen else self.plan


def read(path: Path) -> PlanFile:
    """The plan in a file; raises :class:`PlanError`."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PlanError(f"{path}: cannot be read: {error}") from error
    if unknown := set(document) - _MEMBERS:
        raise PlanError(f"{path}: {min(unknown)} is not a member of a plan's file")
    if missing := {"plan", "configuration"} - set(document):
        raise PlanError(f"{path}: {min(missing)} is missing")
    return PlanFile(
        path.stem,
        document["plan"],
        document.get("variant", {}),
        document["configuration"],
        tuple(document.get("clients", ())),
        document.get("keys", {}),
        document.get("certificates", {}),
    )


def read_all(folder: Path = FOLDER) -> list[PlanFile]:
    """Every plan, by name."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def made_for(plan: PlanFile) -> dict[str, Any]:
    """Keys and certificates of a run: ``keys.NAME`` and ``public_keys.NAME`` (JWK sets), ``certificate.NAME``, ``certificate_key.NAME``."""
    values: dict[str, Any] = {}
    for name, alg in plan.keys.items():
        members = {"kid": f"{plan.name}-{name}", "alg": alg, "use": "sig"}
        made = ECKey.generate_key("P-256", members) if alg == "ES256" else RSAKey.generate_key(2048, members)
        values[f"keys.{name}"] = {"keys": [made.as_dict(private=True)]}
        values[f"public_keys.{name}"] = {"keys": [made.as_dict(private=False)]}
    for name, subject in plan.certificates.items():
        issued = Issued(subject, NOW, AUTHORITY)
        values[f"certificate.{name}"] = issued.pem.decode()
        values[f"certificate_key.{name}"] = issued.key_pem.decode()
    return values


def filled(part: Any, values: Values, place: str) -> Any:
    """A part of a plan with every ``${name}`` in place; a text that is nothing else becomes the value itself, of whatever type."""
    match part:
        case str() if (whole := _NAME.fullmatch(part)) is not None:
            return _value(whole[1], values, place)
        case str():
            return _NAME.sub(lambda found: str(_value(found[1], values, place)), part)
        case dict():
            return {name: filled(value, values, f"{place}.{name}") for name, value in part.items()}
        case list():
            return [filled(value, values, f"{place}[{number}]") for number, value in enumerate(part)]
        case _:
            return part


def names_in(part: Any) -> Iterator[str]:
    """Every name that a part has a ``${name}`` of."""
    yield from _NAME.findall(json.dumps(part))


def _value(name: str, values: Values, place: str) -> Any:
    if name not in values:
        raise PlanError(f"{place}: nothing is called {name}; known are {', '.join(sorted(values))}")
    return values[name]
