from pathlib import Path

import pytest

from bench import peer


@pytest.mark.parametrize(("node", "reason"), [(None, "Node is absent"), ("/usr/bin/node", "make peer installs it")])
def test_without_node_or_package_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, node: str | None, reason: str) -> None:
    monkeypatch.setattr(peer.shutil, "which", lambda _: node)
    monkeypatch.setattr(peer, "_PACKAGE", tmp_path / "absent")
    with pytest.raises(peer.Absent, match=reason), peer.running(1, {}, {}, tmp_path / "log"):
        raise AssertionError("nothing runs")
