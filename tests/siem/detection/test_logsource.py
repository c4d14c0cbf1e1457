from siem.detection.logsource import veilleur_sources
from siem.event import FIELDS


def test_each_source_is_named_by_what_the_rules_say() -> None:
    sources = veilleur_sources(frozenset(FIELDS))
    for wanted, dataset in (
        ({"product": "veilleur", "service": "idp"}, "idp.audit"),
        ({"product": "nginx", "category": "webserver"}, "nginx.access"),
        ({"category": "webserver"}, "nginx.access"),
        ({"product": "fhir", "service": "audit_event"}, "fhir.audit_event"),
    ):
        assert [source.select["event.dataset"] for source in sources if source.agrees(wanted)] == [{dataset}]
    assert not any(source.agrees({"product": "windows"}) for source in sources)


def test_names_are_translated_to_fields_that_exist() -> None:
    for source in veilleur_sources(frozenset(FIELDS)):
        assert set(source.fields.values()) <= set(FIELDS)
        assert source.subject in FIELDS
