from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from idp.model.quick import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    name: str
    size: int = 3
    parts: list[str] = field(default_factory=list)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    name: str
    size: int = 3
    parts: list[str] = field(default_factory=list)


@pytest.mark.parametrize("record", [Plain, Quick])
def test_a_quick_record_is_a_frozen_dataclass_like_any_other(record: type[Quick]) -> None:
    one, other = record(name="a"), record(name="a", size=3, parts=[])
    assert one == other
    assert repr(one).endswith("(name='a', size=3, parts=[])")
    assert one.parts is not other.parts  # each has its own default
    assert replace(one, size=4) == record(name="a", size=4)
    with pytest.raises(FrozenInstanceError):
        one.size = 4  # type: ignore[misc]
    with pytest.raises(TypeError, match="name"):
        record()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="other"):
        record(name="a", other=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        record("a")  # type: ignore[misc]
