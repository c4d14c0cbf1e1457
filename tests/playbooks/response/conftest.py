"""The same bench as the executor's own tests."""

from tests.siem.response.conftest import make_bench, peer

__all__ = ["make_bench", "peer"]
