from datetime import timedelta

from idp.endpoints.console.keys import state_of
from idp.keys import SigningKey
from tests.idp.endpoints.console.entering import Console
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import NATIONAL_ID, START

KEYS = "/administration/keys"
HOUR = timedelta(hours=1)


def test_each_key_says_where_it_stands_in_its_life() -> None:
    old = SigningKey.generate("ES256", created_at=START - 9 * HOUR, active_at=START - 9 * HOUR)
    old = SigningKey(**{name: getattr(old, name) for name in old.__slots__} | {"removed_at": START + HOUR})
    now = SigningKey.generate("ES256", created_at=START - 2 * HOUR, active_at=START - HOUR)
    following = SigningKey.generate("ES256", created_at=START, active_at=START + HOUR)
    keys = (old, now, following)
    assert [state_of(key, keys, START) for key in keys] == ["leaving", "signing", "next"]
    assert [state_of(key, keys, START + HOUR) for key in keys] == ["gone", "leaving", "signing"]


def test_the_next_key_is_published_at_once_and_signs_later(console: Console) -> None:
    before = len(console.wire.provider.keys.keys)
    assert console.send(KEYS, KEYS, alg="ES256", lead_hours="24").status_code == 303
    page = console.get(f"{KEYS}?done=rotated").text
    assert faults_of(page) == []
    assert "prochaine clé" in page
    assert len(console.wire.provider.keys.keys) == before + 1
    [event] = console.wire.events("key.rotated")
    assert (event["health.actor.id"], event["source.ip"]) == (NATIONAL_ID, "testclient")


def test_a_stolen_key_is_withdrawn_with_a_reason(console: Console) -> None:
    kid = console.wire.provider.keys.signer("ES256").kid
    assert console.send(f"{KEYS}/withdraw", KEYS, kid=kid).status_code == 422
    assert console.send(f"{KEYS}/withdraw", KEYS, kid=kid, reason="sauvegarde volée").status_code == 303
    assert kid not in console.wire.provider.keys.jwks().decode()
    [event] = console.wire.events("key.withdrawn")
    assert (event["health.actor.id"], event["event.reason"]) == (NATIONAL_ID, f"key {kid}: sauvegarde volée")
    assert console.send(f"{KEYS}/withdraw", KEYS, kid=kid, reason="encore").status_code == 404
    assert faults_of(console.get(f"{KEYS}?done=withdrawn").text) == []


def test_a_wrong_algorithm_or_time_changes_nothing(console: Console) -> None:
    for form in ({"alg": "HS256"}, {"alg": "ES256", "lead_hours": "-1"}, {"alg": "ES256", "lead_hours": "nan"}, {}):
        assert console.send(KEYS, KEYS, **form).status_code == 422
    assert console.wire.events("key.rotated") == []
