from siem.detection.logsource import LogSource


def test_a_source_agrees_with_what_a_rule_says_and_no_more() -> None:
    source = LogSource("nginx", "webserver", "", {"event.dataset": frozenset({"nginx.access"})})
    assert source.agrees({"category": "webserver"})
    assert source.agrees({"product": "nginx", "category": "webserver"})
    assert not source.agrees({"product": "apache", "category": "webserver"})
    assert not source.agrees({"category": "webserver", "service": "access"})


def test_a_name_leads_to_the_fields_that_may_hold_it_the_likeliest_first() -> None:
    fields = {"Image": ("process.executable",), "sha1": ("process.hash.sha1", "file.hash.sha1"), "Raw": ("data.Raw",)}
    plain = LogSource("p", "", "", {}, fields)
    assert plain.event_names("Image") == ("process.executable",)
    assert plain.event_names("User") == ("User",)
    behind = LogSource("p", "", "", {}, fields, prefix="data.")
    assert behind.event_names("sha1") == ("process.hash.sha1", "file.hash.sha1", "data.sha1")
    assert behind.event_names("User") == ("data.User",)
    assert behind.event_names("Raw") == ("data.Raw",)  # once
    assert behind.event_names("user.id") == ("user.id",)  # a name of ECS is one already
    assert behind.event_names("@timestamp") == ("@timestamp",)


def test_a_source_with_known_fields_gives_no_others() -> None:
    source = LogSource("p", "", "", {}, {"c-ip": ("source.ip",)}, known=frozenset({"source.ip"}))
    assert source.gives("c-ip")
    assert source.gives("source.ip")
    assert source.gives("@timestamp")
    assert not source.gives("cs-host")
    assert LogSource("p", "", "", {}).gives("anything")
