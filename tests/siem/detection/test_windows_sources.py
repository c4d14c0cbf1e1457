from siem.detection.windows_sources import windows_sources


def test_categories_and_services_lead_to_channels() -> None:
    sources = windows_sources()

    def select(**wanted: str) -> list[tuple[list[str], list[str]]]:
        found = [source.select for source in sources if source.agrees({"product": "windows", **wanted})]
        return [(sorted(one["Channel"]), sorted(one.get("EventID", ()))) for one in found]

    assert select(category="process_creation") == [(["microsoft-windows-sysmon/operational"], ["1"])]
    assert select(category="registry_event") == [(["microsoft-windows-sysmon/operational"], ["12", "13", "14"])]
    assert select(service="security") == [(["security"], [])]
    assert select(category="ps_script") == [(["microsoft-windows-powershell/operational"], ["4104"])]
    assert select(category="of_nothing") == []


def test_routing_values_are_in_lower_case() -> None:
    for source in windows_sources():
        assert all(value == value.lower() for values in source.select.values() for value in values)
