"""Real shippers against a real port: the Elasticsearch client, and rsyslog with omelasticsearch."""

import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from elasticsearch import Elasticsearch, helpers
from starlette.applications import Starlette

from siem.inputs.http import HttpInput, HttpSource
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.queue import Queue

KEY = "a-key-of-the-web-source"
PATIENCE = timedelta(seconds=60)
RSYSLOG_MODULE = Path("/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue.sqlite")
    yield made
    made.close()


@pytest.fixture
def port(queue: Queue) -> Iterator[int]:
    """A server on a port of its own."""
    received = HttpInput(queue, {"web": HttpSource("web", hashlib.sha256(KEY.encode()).hexdigest())}, lambda: datetime.now(UTC))  # noqa: TID251
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=received.routes()), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listener.close()


def test_the_elasticsearch_client_ships_a_bulk(queue: Queue, port: int) -> None:
    with Elasticsearch(f"http://127.0.0.1:{port}", api_key=KEY, http_compress=True) as client:
        assert client.info()["version"]["number"]
        documents = ({"_op_type": "create", "_index": "web", "_id": f"d-{number}", "message": f"line {number}"} for number in range(1200))
        assert helpers.bulk(client, documents, chunk_size=500) == (1200, [])
        wrong = [{"_op_type": "create", "_index": "other", "message": "x"}, {"_op_type": "create", "_index": "web", "message": "last"}]
        done, errors = helpers.bulk(client, wrong, raise_on_error=False)
        assert (done, len(errors)) == (1, 1)
        assert errors[0]["create"]["error"]["type"] == "security_exception"
    received = [json.loads(queued.record.data)["message"] for queued in queue.read(0, 5000)]
    assert received == [*(f"line {number}" for number in range(1200)), "last"]


@pytest.mark.service("rsyslogd")
def test_rsyslog_ships_a_log_file_that_the_source_understands(queue: Queue, port: int, tmp_path: Path) -> None:
    if not RSYSLOG_MODULE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("rsyslog-elasticsearch is not installed; .ci/services installs it")
        pytest.skip("rsyslog-elasticsearch is not installed; make test installs it as root on Debian")
    sample = Path(__file__).parents[1] / "sources/nginx/combined.log"
    lines = [line for line in sample.read_text("utf-8").splitlines() if line.startswith(("192.", "198."))][:2]
    log = tmp_path / "access.log"
    log.write_text("".join(f"{line}\n" for line in lines * 20), "utf-8")
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(
        f"""
global(workDirectory="{tmp_path}")
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omelasticsearch")
template(name="document" type="list") {{
  constant(value="{{\\"@timestamp\\":\\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\\",\\"host\\":\\"") property(name="hostname" format="json")
  constant(value="\\",\\"message\\":\\"") property(name="msg" format="json") constant(value="\\"}}")
}}
input(type="imfile" File="{log}" Tag="nginx" freshStartTail="off")
action(type="omelasticsearch" server="http://127.0.0.1" serverport="{port}" searchIndex="web" searchType="" bulkmode="on"
       uid="web" pwd="{KEY}" template="document" errorfile="{tmp_path}/errors.json")
"""
    )
    program = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
    command = [program, "-n", "-f", str(configuration), "-i", str(tmp_path / "rsyslog.pid")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            arrived = queue.wait_beyond(39, PATIENCE)
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30)
    errors = tmp_path / "errors.json"
    assert arrived, output.decode() + (errors.read_text("utf-8") if errors.exists() else "")
    source = SOURCES["nginx"](SourceSettings("web", "nginx", "Dossier patient", http=True))
    events = [event for queued in queue.read(0, 100) for event in source.parse(queued.record)]
    assert len(events) == 40
    assert {event.fields["source.ip"] for event in events} == {"192.0.2.17", "198.51.100.9"}
    assert len({event.id for event in events}) == 40


@pytest.mark.service("curl")
def test_curl_ships_a_packed_file(queue: Queue, port: int, tmp_path: Path) -> None:
    packed = tmp_path / "lines.gz"
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))
    command = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: ApiKey {KEY}", "-H", "Content-Encoding: gzip"]
    done = subprocess.run(
        [*command, "--data-binary", f"@{packed}", f"http://127.0.0.1:{port}/ingest/v1/web"], capture_output=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == {"received": 2}
    assert [queued.record.data for queued in queue.read(0, 10)] == [b"one", b"two"]
