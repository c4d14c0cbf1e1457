from bench.report import Reference, Row, table


def test_a_rate_keeps_its_budget_from_above_and_a_size_from_below() -> None:
    assert Row(name="rate", value=100, unit="/CPU-s", budget=100).within_budget
    assert not Row(name="rate", value=99, unit="/CPU-s", budget=100).within_budget
    assert Row(name="memory", value=90, unit="MB", budget=90, lower_is_better=True).within_budget
    assert not Row(name="memory", value=91, unit="MB", budget=90, lower_is_better=True).within_budget


def test_the_table_shows_budget_verdict_and_ratio() -> None:
    rows = [
        Row(name="tokens", value=1250, unit="/CPU-s", budget=1700, limit=2500, limit_name="raw signing"),
        Row(name="start", value=0.5, unit="s", budget=1.0, lower_is_better=True),
    ]
    head, tokens, start = table(rows).splitlines()
    assert head.split()[:2] == ["what", "measured"]
    assert tokens.split() == ["tokens", "1,250", "/CPU-s", "≥", "1,700", "missed", "0.50", "of", "2,500", "(raw", "signing)"]
    assert start.split() == ["start", "0.50", "s", "≤", "1.00", "kept"]


def test_a_row_tells_its_spread_and_each_of_what_it_is_held_against() -> None:
    others = (Reference(900, "peer"), Reference(36_000, "floor"), Reference(None, "no other peer: Node is absent"))
    row = Row(name="tokens", value=90, unit="/CPU-s", spread=(80.4, 99.6), others=others)
    assert row.cells()[1:3] == ("90", "80 to 100")
    assert row.cells()[-1] == "0.10 of 900 (peer); 0.0025 of 36,000 (floor); no other peer: Node is absent"
