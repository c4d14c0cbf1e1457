"""A professional's directory entry: the tree that Pro Santé Connect's userinfo shows, complete down to its empty leaves.

Source: identity.md §4.1 and §4.2 (ANS test answers of 2021-2023; field order of the RPPS restricted extraction). Every leaf is a
string and a missing value is ``""``, never null; ``exercices`` and ``activities`` are lists of 0 to n.
"""

from collections.abc import Mapping, Sequence
from typing import Final

#: OIDs of the tables behind ``code^oid`` values.
SECTOR_OID: Final = "1.2.250.1.71.4.2.4"
ROLE_OID: Final = "1.2.250.1.213.1.1.5.5"

#: Leaves of one place of work, in the order PSC gives them.
ACTIVITY_FIELDS: Final[tuple[str, ...]] = (
    "codeModeExercice",
    "codeSecteurDactivite",
    "codeSectionPharmacien",
    "codeRole",
    "codeGenreActivite",
    "numeroSiretSite",
    "numeroSirenSite",
    "numeroFinessSite",
    "numeroFinessetablissementJuridique",
    "identifiantTechniqueDeLaStructure",
    "raisonSocialeSite",
    "enseigneCommercialeSite",
    "complementDestinataire",
    "complementPointGeographique",
    "numeroVoie",
    "indiceRepetitionVoie",
    "codeTypeDeVoie",
    "libelleVoie",
    "mentionDistribution",
    "bureauCedex",
    "codePostal",
    "codeCommune",
    "codePays",
    "telephone",
    "telephone2",
    "telecopie",
    "adresseEMail",
    "codeDepartement",
    "ancienIdentifiantDeLaStructure",
    "autoriteDenregistrement",
)

#: Leaves of one practice, before its ``activities``.
EXERCICE_FIELDS: Final[tuple[str, ...]] = (
    "codeProfession",
    "codeCategorieProfessionnelle",
    "codeCiviliteDexercice",
    "nomDexercice",
    "prenomDexercice",
    "codeTypeSavoirFaire",
    "codeSavoirFaire",
)

#: Top-level leaves kept in the directory, with the value of one who has none.
TOP_FIELDS: Final[Mapping[str, str]] = {
    "Mode_Acces_Raison": "",
    "Acces_Regulation_Medicale": "FAUX",
    "UITVersion": "1.0",
    "PSI_Locale": "1.2.250.1.213.1.3.1.1",
}


def directory_entry(
    *,
    national_id: str,
    given_name: str,
    family_name: str,
    civility: str,
    exercices: Sequence[Mapping[str, object]],
    overrides: Mapping[str, str],
) -> dict[str, object]:
    """The whole tree of one professional, without ``sub``, ``authMode`` and ``Palier_Authentification``.

    ``exercices`` holds only what is known: a leaf that is absent becomes ``""``. ``overrides`` replaces top-level leaves.
    The organisation shown at the top is that of the first activity, as in the published samples.
    """
    filled = [_exercice(exercice, given_name, family_name) for exercice in exercices]
    first = next((activity for _, activities in filled for activity in activities), None)
    sector = first["codeSecteurDactivite"] if first else ""
    return {
        **TOP_FIELDS,
        "Secteur_Activite": f"{sector}^{SECTOR_OID}" if sector else "",
        "SubjectOrganization": first["raisonSocialeSite"] if first else "",
        "SubjectOrganizationID": first["identifiantTechniqueDeLaStructure"] if first else "",
        "SubjectRole": _roles(filled),
        "SubjectRefPro": {
            "codeCivilite": civility,
            "exercices": [{**leaves, "activities": activities} for leaves, activities in filled],
        },
        "otherIds": [{"identifiant": national_id, "origine": _origin(national_id), "qualite": 1}],
        "SubjectNameID": national_id,
        "preferred_username": national_id,
        "given_name": given_name,
        "family_name": family_name,
        **overrides,
    }


def profession_keys(directory: Mapping[str, object]) -> list[str]:
    """``user.roles`` of the audit log: profession and category of each practice (``10C``), each once, in order."""
    reference = directory.get("SubjectRefPro")
    exercices = reference.get("exercices") if isinstance(reference, Mapping) else None
    keys = [f"{e.get('codeProfession', '')}{e.get('codeCategorieProfessionnelle', '')}" for e in exercices or () if isinstance(e, Mapping)]
    return list(dict.fromkeys(key for key in keys if key))


def _exercice(given: Mapping[str, object], given_name: str, family_name: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    leaves = {"nomDexercice": family_name, "prenomDexercice": given_name} | {
        name: str(value) for name, value in given.items() if name != "activities"
    }
    activities = given.get("activities")
    places = activities if isinstance(activities, Sequence) else ()
    return (
        {name: leaves.get(name, "") for name in EXERCICE_FIELDS},
        [{name: str(place.get(name, "")) for name in ACTIVITY_FIELDS} for place in places if isinstance(place, Mapping)],
    )


def _roles(filled: Sequence[tuple[Mapping[str, str], Sequence[Mapping[str, str]]]]) -> list[str]:
    professions = dict.fromkeys(leaves["codeProfession"] for leaves, _ in filled if leaves["codeProfession"])
    return [f"{profession}^{ROLE_OID}" for profession in professions]


def _origin(national_id: str) -> str:
    """Where the identifier comes from: the type digit of TRE_G08 for numbers, EDIT for the ANS's test accounts."""
    if not national_id[:1].isdigit():
        return "EDIT"
    return {"8": "RPPS", "0": "ADELI"}.get(national_id[0], "EMPLOYEUR")
