import orjson

from bench.windows_events import anew, unique

LINES = [
    orjson.dumps(
        {
            "EventID": 4624,
            "Channel": "Security",
            "Image": r"C:\Windows\System32\cmd.exe",
            "ProcessGuid": "{747f3d96-09a4-5f1b-0000-00106d4a2a00}",
            "UtcTime": "2020-09-21 11:02:33.519",
            "GrantedAccess": "0x1410",
            "Payload": "handle 0x3b4c8f of 51234",
        }
    )
]


def test_events_anew_keep_their_names_and_kind_and_have_numbers_of_their_own() -> None:
    before, (after,) = orjson.loads(LINES[0]), [orjson.loads(line) for line in anew(LINES)]
    assert {name for name, value in after.items() if value != before[name]} == {"ProcessGuid", "UtcTime", "Payload"}
    assert all(len(str(value)) == len(str(before[name])) for name, value in after.items())
    assert list(anew(LINES)) == list(anew(LINES))


def test_in_the_worst_case_no_long_value_comes_twice() -> None:
    images = [orjson.loads(line)["Image"] for line in unique(LINES * 3)]
    assert len(set(images)) == 3
