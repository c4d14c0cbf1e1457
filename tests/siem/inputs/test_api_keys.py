import json
from pathlib import Path

import pytest

from siem.errors import DataError
from siem.inputs.api_keys import key_of, load_api_keys

DIGEST = "0f" * 32


def written(folder: Path, content: str) -> Path:
    file = folder / "keys.json"
    file.write_text(content, encoding="utf-8")
    return file


def test_each_name_has_the_hash_of_its_key(tmp_path: Path) -> None:
    keys = load_api_keys(written(tmp_path, json.dumps({"web": DIGEST})))
    assert keys == {"web": DIGEST} and key_of("web", keys) == DIGEST
    assert load_api_keys(None) == {}


@pytest.mark.parametrize(
    ("content", "problem"), [("{", "cannot be read as JSON"), ("[]", "an object from name"), ('{"web": "secret"}', "64 hexadecimal digits")]
)
def test_what_is_no_hash_is_refused_without_being_repeated(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as refused:
        load_api_keys(written(tmp_path, content))
    assert "secret" not in str(refused.value)


def test_a_source_without_a_key_is_named() -> None:
    with pytest.raises(DataError, match="web"):
        key_of("web", {})
