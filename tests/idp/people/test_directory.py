from hypothesis import given
from hypothesis import strategies as st

from idp.people.directory import ACTIVITY_FIELDS, EXERCICE_FIELDS, directory_entry, profession_keys

LEAF = st.text(max_size=8)
ACTIVITY = st.dictionaries(st.sampled_from(ACTIVITY_FIELDS), LEAF)
EXERCICE = st.builds(
    lambda leaves, activities: {**leaves, "activities": activities},
    st.dictionaries(st.sampled_from(EXERCICE_FIELDS), LEAF),
    st.lists(ACTIVITY, max_size=3),
)


def _entry(exercices: list[dict[str, object]], national_id: str = "899700000005") -> dict[str, object]:
    return directory_entry(
        national_id=national_id, given_name="CAMILLE", family_name="MORVAN", civility="MME", exercices=exercices, overrides={}
    )


@given(st.lists(EXERCICE, max_size=3))
def test_every_leaf_is_there_as_text_whatever_is_known(exercices: list[dict[str, object]]) -> None:
    reference = _entry(exercices)["SubjectRefPro"]
    assert isinstance(reference, dict)
    assert len(reference["exercices"]) == len(exercices)
    for exercice in reference["exercices"]:
        assert list(exercice) == [*EXERCICE_FIELDS, "activities"]
        leaves = [value for name, value in exercice.items() if name != "activities"]
        for activity in exercice["activities"]:
            assert list(activity) == list(ACTIVITY_FIELDS)
            leaves += activity.values()
        assert all(isinstance(leaf, str) for leaf in leaves)


def test_a_name_of_practice_is_the_persons_unless_another_is_given() -> None:
    entry = _entry([{"nomDexercice": "KERGOAT"}])
    assert entry["SubjectRefPro"]["exercices"][0]["nomDexercice"] == "KERGOAT"  # type: ignore[index]
    assert entry["SubjectRefPro"]["exercices"][0]["prenomDexercice"] == "CAMILLE"  # type: ignore[index]


def test_the_organisation_at_the_top_is_that_of_the_first_activity() -> None:
    first = {"codeSecteurDactivite": "SA07", "raisonSocialeSite": "CABINET", "identifiantTechniqueDeLaStructure": "R1"}
    entry = _entry([{"codeProfession": "10"}, {"codeProfession": "60", "activities": [first, {"raisonSocialeSite": "AUTRE"}]}])
    assert entry["Secteur_Activite"] == "SA07^1.2.250.1.71.4.2.4"
    assert (entry["SubjectOrganization"], entry["SubjectOrganizationID"]) == ("CABINET", "R1")
    assert entry["SubjectRole"] == ["10^1.2.250.1.213.1.1.5.5", "60^1.2.250.1.213.1.1.5.5"]


def test_one_without_exercice_has_empty_texts_and_lists() -> None:
    entry = _entry([])
    assert entry["SubjectRole"] == []
    assert (entry["Secteur_Activite"], entry["SubjectOrganization"], entry["SubjectOrganizationID"]) == ("", "", "")


def test_other_ids_say_where_they_come_from() -> None:
    origins = [("899700000005", "RPPS"), ("0012600631", "ADELI"), ("ANS20210107161422", "EDIT"), ("30B0000005/A", "EMPLOYEUR")]
    for national_id, origin in origins:
        assert _entry([], national_id)["otherIds"] == [{"identifiant": national_id, "origine": origin, "qualite": 1}]


def test_roles_are_profession_and_category_each_once() -> None:
    doctor = {"codeProfession": "10", "codeCategorieProfessionnelle": "C"}
    assert profession_keys(_entry([doctor, {"codeProfession": "60", "codeCategorieProfessionnelle": "C"}, doctor, {}])) == ["10C", "60C"]
    assert profession_keys({}) == []
    assert profession_keys({"SubjectRefPro": "?"}) == []
