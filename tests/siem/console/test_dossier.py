import json

import pytest

from siem.declarations.model import Dossier, DossierState
from siem.incidents.model import CRITERIA, Incident
from tests.siem.console.world import ANALYST, AUDITOR, DIRECTOR, LEAD, World, csrf


@pytest.fixture
def dossier(world: World, incident: Incident) -> Dossier:
    answers = dict.fromkeys(CRITERIA, "non") | {"donnees_sante": "oui"}
    qualified = world.incidents.qualify(incident.id, answers, "Dossiers ouverts en masse", ANALYST)
    return world.services.open_dossier(qualified, ANALYST)


def _post(world: World, person, path: str, **data):  # type: ignore[no-untyped-def]
    browser = world.client(person)
    return browser, browser.post(path, data={"csrf": csrf(browser.get("/preferences").text), **data})


def _complete(world: World, dossier: Dossier) -> None:
    """Answer what is missing through the pages, one section after another, as a person does."""
    for _ in range(10):
        page = world.dossiers.page(dossier.id, DIRECTOR)
        if not page.completeness.missing:
            return
        missing = page.completeness.missing[0]
        section = next(section for form in page.forms for section in form.sections if section.id == missing.section)
        data: dict[str, object] = {"inconnu": []}
        for view in section.fields:
            if view.unknown or (view.missing and view.may_be_unknown and view.type not in {"choice", "choices"}):
                data["inconnu"] = [*data["inconnu"], view.key]  # type: ignore[misc]
            elif view.missing and view.options:
                data[view.key] = view.options[0].code
            elif view.missing:
                data[view.key] = "non" if view.type == "boolean" else "2026-11-22T03:00"
            else:
                data[view.key] = list(view.text) if isinstance(view.text, tuple) and view.type == "choices" else view.text
        _, answer = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/sections/{section.id}", **data)
        assert answer.status_code == 303, answer.text
    pytest.fail("the dossier never becomes complete")


def test_shows_what_is_known_what_is_missing_and_by_when(world: World, dossier: Dossier) -> None:
    page = world.client(DIRECTOR).get(f"/dossiers/{dossier.id}").text
    assert "Ce qui vous est demandé" in page and "manque" in page and "CNIL" in page and "reste " in page
    assert dossier.incident_number in world.client(DIRECTOR).get("/dossiers").text


def test_a_section_says_where_each_answer_comes_from(world: World, dossier: Dossier) -> None:
    form = world.dossiers.page(dossier.id, DIRECTOR).forms[0]
    page = world.client(DIRECTOR).get(f"/dossiers/{dossier.id}?section={form.sections[0].id}").text
    assert "Centre hospitalier d’Essai-sur-Vilaine" in page and "Source" in page and "Inconnu pour le moment" in page


def test_a_wrong_answer_is_named_linked_and_kept(world: World, dossier: Dossier) -> None:
    page = world.dossiers.page(dossier.id, DIRECTOR)
    section, number = next(
        (section, view) for form in page.forms for section in form.sections for view in section.fields if view.type == "integer"
    )
    _, refused = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/sections/{section.id}", **{number.key: "beaucoup"})
    assert refused.status_code == 422 and f'href="#champ-{number.key}"' in refused.text and f'id="champ-{number.key}"' in refused.text
    assert 'value="beaucoup"' in refused.text and 'aria-invalid="true"' in refused.text
    assert world.dossiers.get(dossier.id, DIRECTOR).content == dossier.content


def test_an_incomplete_dossier_is_not_validated_and_says_what_is_missing(world: World, dossier: Dossier) -> None:
    _, refused = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/validation", relu="oui")
    assert refused.status_code == 422 and "?section=" in refused.text.split('id="erreurs"')[1].split("</ul>")[0]


def test_validating_asks_that_it_was_read(world: World, dossier: Dossier) -> None:
    _complete(world, dossier)
    _, refused = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/validation")
    assert refused.status_code == 422 and 'href="#champ-relu"' in refused.text
    assert world.dossiers.get(dossier.id, DIRECTOR).validated_version is None


def test_from_the_last_answer_to_the_receipt(world: World, dossier: Dossier) -> None:
    _complete(world, dossier)
    browser, validated = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/validation", relu="oui")
    assert validated.status_code == 303 and 'id="depot"' in browser.get(f"/dossiers/{dossier.id}").text
    browser, filed = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/depot")
    assert filed.status_code == 303 and world.dossiers.get(dossier.id, DIRECTOR).state is DossierState.TRANSMIS
    receipt = world.dossiers.receipts(dossier.id, DIRECTOR)[0]
    page = browser.get(f"/dossiers/{dossier.id}/recepisse").text
    assert receipt.number in page and receipt.sha256 in page and receipt.jws in page
    document = browser.get(f"/dossiers/{dossier.id}.json")
    assert document.headers["content-disposition"].endswith('.json"') and json.loads(document.content)["id"] == dossier.id


def test_downloads_are_what_they_say(world: World, dossier: Dossier) -> None:
    browser = world.client(AUDITOR)
    pdf = browser.get(f"/dossiers/{dossier.id}.pdf")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.content.startswith(b"%PDF-")
    assert json.loads(browser.get(f"/dossiers/{dossier.id}.stix").content)["type"] == "bundle"
    assert browser.get(f"/dossiers/{dossier.id}/recepisse").status_code == 404


def test_the_preview_reads_as_the_authority_will(world: World, dossier: Dossier) -> None:
    page = world.client(DIRECTOR).get(f"/dossiers/{dossier.id}/apercu").text
    assert "Centre hospitalier d’Essai-sur-Vilaine" in page and "<input" not in page.split('class="paper"')[1].split("</article>")[0]


def test_only_a_declarant_may_validate_or_file(world: World, dossier: Dossier) -> None:
    for action in ("validation", "depot"):
        _, answer = _post(world, LEAD, f"/dossiers/{dossier.id}/{action}", relu="oui")
        assert answer.status_code == 403 and "Déclarant" in answer.text


def test_filing_before_validation_is_refused_on_the_page(world: World, dossier: Dossier) -> None:
    _, refused = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/depot")
    assert refused.status_code == 409 and 'id="erreurs"' in refused.text


def test_a_declaration_made_elsewhere_stops_its_clock(world: World, dossier: Dossier) -> None:
    deadline = next(each for each in world.dossiers.deadlines(dossier) if each.authority == "CNIL" and each.due_at)
    made = {"declaration": f"{deadline.form_id}/{deadline.rule_id}", "canal": "portail", "reference": "2026-4711"}
    _, refused = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/transmissions", **made, le="hier")
    assert refused.status_code == 422 and 'href="#champ-le"' in refused.text and 'value="2026-4711"' in refused.text
    _, done = _post(world, DIRECTOR, f"/dossiers/{dossier.id}/transmissions", **made, le="2026-11-22T03:10")
    assert done.status_code == 303
    deadlines = world.dossiers.deadlines(world.dossiers.get(dossier.id, DIRECTOR))
    after = next(each for each in deadlines if (each.form_id, each.rule_id) == (deadline.form_id, deadline.rule_id))
    assert after.done_at is not None and after.done_at.isoformat().startswith("2026-11-22T02:10")


def test_a_dossier_can_be_given_up_with_a_reason(world: World, dossier: Dossier) -> None:
    assert _post(world, ANALYST, f"/dossiers/{dossier.id}/abandon", motif="")[1].status_code == 409
    assert _post(world, ANALYST, f"/dossiers/{dossier.id}/abandon", motif="Ouvert par erreur")[1].status_code == 303
    assert world.dossiers.get(dossier.id, ANALYST).state is DossierState.ANNULE


def test_an_unknown_section_or_state_is_refused(world: World, dossier: Dossier) -> None:
    assert _post(world, ANALYST, f"/dossiers/{dossier.id}/sections/none.none")[1].status_code == 404
    assert _post(world, ANALYST, f"/dossiers/{dossier.id}/etat", etat="perdu")[1].status_code == 400


def test_an_empty_list_says_how_dossiers_are_opened(world: World) -> None:
    assert "Un dossier s’ouvre depuis un incident" in world.client(DIRECTOR).get("/dossiers").text
