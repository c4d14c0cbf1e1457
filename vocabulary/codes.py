"""Code tables of French health (NOS): what a code of a professional's directory entry means.

One JSON file a table in ``vocabulary/tables/``, one code a line. A code that the table does not hold is not an error:
the registers publish new ones before anybody updates a copy; callers show the code itself then (:meth:`CodeTable.label`).

Source: Agence du numérique en santé, Nomenclatures des objets de santé (TRE tables) and the value sets made from them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

#: Every table, with the member of PSC's userinfo that takes its codes.
TABLES: Final[Mapping[str, str]] = {
    "TRE_G08": "SubjectNameID",
    "TRE_G15": "codeProfession",
    "TRE_G16": "codeProfession",
    "TRE_R95": "codeProfession",
    "TRE_R09": "codeCategorieProfessionnelle",
    "TRE_R23": "codeModeExercice",
    "TRE_R04": "codeTypeSavoirFaire",
    "TRE_R01": "codeSavoirFaire",
    "TRE_R11": "codeCiviliteDexercice",
    "TRE_R81": "codeCivilite",
    "TRE_R02": "codeSecteurDactivite",
    "TRE_R22": "codeGenreActivite",
    "TRE_R06": "codeSectionPharmacien",
    "TRE_R21": "codeRole",
    "TRE_R231": "Palier_Authentification",
    "TRE_R218": "",
}


@dataclass(frozen=True, slots=True)
class Code:
    """One code. ``valid_from`` and ``valid_until`` are ISO 8601 dates or years, empty where no source gives them.

    ``ended`` marks a code that must not be given any more, though old records hold it.
    """

    code: str
    label: str
    ended: bool = False
    valid_from: str = ""
    valid_until: str = ""
    family: str = ""

    def is_valid_on(self, day: date) -> bool:
        """Whether the code could be given on that day; an end of unknown date counts as past."""
        if self.valid_from and day.isoformat() < self.valid_from:
            return False
        if not self.ended:
            return True
        # «2023» ends with the year: compare as many characters as the source gives.
        return bool(self.valid_until) and day.isoformat()[: len(self.valid_until)] <= self.valid_until


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One table. ``oid`` and ``version`` are empty where unknown; ``note`` says what the copy lacks."""

    name: str
    title: str
    oid: str
    claim: str
    source: str
    version: str
    note: str
    codes: Mapping[str, Code]

    def label(self, code: str) -> str:
        """What to show a person: the label, or the code itself where the table does not hold it."""
        known = self.codes.get(code)
        return code if known is None else known.label

    def qualified(self, code: str) -> str:
        """``code^oid``, as PSC writes it in ``Secteur_Activite`` and ``SubjectRole``."""
        if not self.oid:
            raise ValueError(f"{self.name}: no OID known")
        return f"{code}^{self.oid}"


@cache
def code_table(name: str) -> CodeTable:
    """The table of that name (``TRE_G15``). Raises KeyError, naming those that exist."""
    if name not in TABLES:
        raise KeyError(f"no code table {name}; one of {', '.join(TABLES)} expected")
    document = json.loads(files("vocabulary").joinpath("tables", f"{name}.json").read_text("utf-8"))
    codes = {row["code"]: Code(**row) for row in document.pop("codes")}
    return CodeTable(**document, codes=codes)


def profession_label(profession: str, category: str) -> str:
    """The profession of a PSC ``exercice``: code 10 of category C is a physician, of category E one in training.

    Looked up in TRE_G16 for a student (category E), else in TRE_G15 then TRE_R95.
    """
    order = ("TRE_G16", "TRE_G15", "TRE_R95") if category == "E" else ("TRE_G15", "TRE_R95")
    found = [known for name in order if (known := code_table(name).codes.get(profession)) is not None]
    current = [known for known in found if not known.ended]
    return (current or found)[0].label if found else profession
