"""A setting says its unit, in its type or in its name, and what it is for."""

from datetime import timedelta
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import idp.settings
import siem.settings

UNITS = ("_seconds", "_bytes", "_count", "_ratio", "_port", "_score", "_lines", "_days")
FIELDS = [
    pytest.param(prefix, name, field, id=f"{prefix}{name.upper()}")
    for prefix, settings in (("IDP_", idp.settings.Settings), ("SIEM_", siem.settings.Settings))
    for name, field in settings.model_fields.items()
]


def _types(annotation: object) -> set[object]:
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*(_types(part) for part in get_args(annotation))) - {NoneType}
    return {annotation}


@pytest.mark.parametrize(("prefix", "name", "field"), FIELDS)
def test_a_number_says_its_unit(prefix: str, name: str, field: FieldInfo) -> None:
    if _types(field.annotation) & {int, float}:
        assert name == "port" or name.endswith(UNITS), f"{prefix}{name.upper()}: a number of what? End it in one of {UNITS}"


@pytest.mark.parametrize(("prefix", "name", "field"), FIELDS)
def test_a_setting_says_what_it_is_for(prefix: str, name: str, field: FieldInfo) -> None:
    description = field.description or ""
    assert len(description.split()) >= 2, f"{prefix}{name.upper()}: no description"
    if timedelta in _types(field.annotation):
        assert "seconds" in description or "ISO 8601" in description, f"{prefix}{name.upper()}: which form does a duration take?"


@pytest.mark.parametrize(("prefix", "name", "field"), FIELDS)
def test_a_secret_hides_itself(prefix: str, name: str, field: FieldInfo) -> None:
    if any(word in name for word in ("secret", "password", "pepper", "api_key", "token")) and not name.endswith(
        ("_file", "_count", "_lifetime")
    ):
        assert str not in _types(field.annotation), f"{prefix}{name.upper()}: SecretStr, never a bare str"


@pytest.mark.parametrize("settings", [idp.settings.Settings, siem.settings.Settings])
def test_settings_cannot_be_changed_after_start(settings: type[BaseSettings]) -> None:
    assert settings.model_config.get("frozen") is True
