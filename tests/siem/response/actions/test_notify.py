from dataclasses import replace

import pytest
from sqlalchemy import select

from siem.response.action import ActionFailed
from siem.response.actions.notify import Notify
from siem.response.store import notifications
from tests.siem.response.actions.conftest import Given


def test_a_message_is_kept_then_sent_once_and_names_no_patient(given: Given) -> None:
    action = Notify(given.bench.services())
    for _ in range(2):
        action.execute(given.context(destinataires="RSSI,DPO", message="À voir"))
    assert len(given.bench.sent) == 1
    message = given.bench.sent[0]
    assert message.audience == "RSSI, DPO"
    assert given.incident.number in message.text
    assert "899700000011" not in message.text


def test_without_a_channel_the_message_waits_in_the_outbox_and_says_so(given: Given) -> None:
    action = Notify(replace(given.bench.services(), deliver=None))
    assert "à transmettre" in action.execute(given.context(destinataires="RSSI")).text
    with given.bench.watch.database.reading() as conn:
        row = conn.execute(select(notifications)).mappings().one()
    assert (row["audience"], row["sent_at"]) == ("RSSI", None)


def test_a_message_to_nobody_is_a_failure(given: Given) -> None:
    with pytest.raises(ActionFailed):
        Notify(given.bench.services()).execute(given.context(destinataires=" , "))
