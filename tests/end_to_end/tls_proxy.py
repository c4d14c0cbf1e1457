"""A real nginx that verifies client certificates in front of servers of a test, with an authority made for it."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.idp.certificates import Issued

NOW = datetime.now(UTC)
AUTHORITY = Issued("CN=Autorite de test", NOW, is_authority=True)
#: The address that the proxy calls from: it stands for another machine, the only one that a server believes.
PROXY_ADDRESS = "127.0.0.2"
#: What a server is told to believe (``IDP_…``).
BELIEVING = {
    "IDP_TRUSTED_PROXIES": f"{PROXY_ADDRESS}/32",
    "IDP_CLIENT_CERTIFICATE_HEADER": "X-Client-Cert",
    "IDP_CLIENT_CERTIFICATE_VERIFY_HEADER": "X-Client-Verify",
}

#: What an operator writes.
_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; large_client_header_buffers 4 32k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384;
  ssl_client_certificate {folder}/authority.pem; ssl_verify_client optional_no_ca;
  {servers}
}}
"""
_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl;
    location / {{
      proxy_pass {upstream}; proxy_bind {address};
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
      proxy_set_header X-Client-Verify $ssl_client_verify;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
"""


@dataclass(frozen=True)
class Proxy:
    """Where its files are: ``authority.pem`` is what its clients believe."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def pair(self, issued: Issued) -> Path:
        """A certificate and its key in one file (PEM)."""
        path = self.folder / f"{issued.certificate.serial_number:x}.pem"
        path.write_bytes(issued.pem + issued.key_pem)
        return path

    def connect(self, port: int, issued: Issued | None) -> httpx.Client:
        """A client of the server at this port, with a certificate or without."""
        context = ssl.create_default_context(cafile=self.authority)
        if issued is not None:
            context.load_cert_chain(self.pair(issued))
        return httpx.Client(verify=context, base_url=f"https://127.0.0.1:{port}")


@contextmanager
def tls_proxy(folder: Path, upstreams: Mapping[int, str], host: str = "127.0.0.1") -> Iterator[Proxy]:
    """``upstreams``: TLS port to the URL behind it; ``host``: the name in the certificate."""
    server = Issued(f"CN={host}", NOW, AUTHORITY, host=host, with_rsa=True)
    for name, content in (("server.pem", server.pem), ("server.key", server.key_pem), ("authority.pem", AUTHORITY.pem)):
        (folder / name).write_bytes(content)
    servers = "".join(_SERVER.format(port=port, upstream=url, address=PROXY_ADDRESS) for port, url in upstreams.items())
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, servers=servers), encoding="utf-8")
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "nginx"
    nginx = subprocess.Popen([program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])
    try:
        yield Proxy(folder)
    finally:
        nginx.terminate()
        nginx.wait(15)
