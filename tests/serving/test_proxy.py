"""Behind a proxy that ends TLS: what it says of the client counts, and forms and cookies work."""

import re
import secrets
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.db import connections
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from orchestrator.serving.threads import ThreadedApplication
from tests.serving.server import Served, serve

ROOT = Path(__file__).parents[2]
PASSWORD = "a long enough one 7"


def test_the_deploy_checks_are_silent_with_a_production_environment() -> None:
    environment = {
        "DATABASE_URL": "postgres://nobody@localhost/none",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "SECURE_COOKIES": "true",
        "TRUSTED_PROXIES": "10.0.0.0/8",
        "ALLOWED_HOSTS": "blocks.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://blocks.example.com",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n")


@pytest.fixture
def secure(settings) -> None:
    """What SECURE_COOKIES sets."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    settings.ALLOWED_HOSTS = ["blocks.example.com", "127.0.0.1"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://blocks.example.com"]


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "tls.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


class Proxy(BaseHTTPRequestHandler):
    """Ends TLS and forwards, as an ingress does: it appends the client and sets the scheme."""

    upstream: Served
    client = "203.0.113.9"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        headers |= {"X-Forwarded-For": self.client, "X-Forwarded-Proto": "https", "Connection": "close"}
        upstream = HTTPConnection("127.0.0.1", self.upstream.port, timeout=20)
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_POST = _forward  # noqa: N815 - the names that the server looks for

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def ingress(transactional_db, secure, tmp_path) -> Iterator[httpx2.Client]:
    """A client of the service behind TLS."""
    application = ThreadedApplication(get_wsgi_application())
    trusting = ProxyHeadersMiddleware(application, trusted_hosts=["127.0.0.1"])  # type: ignore[arg-type]
    with serve(trusting) as served:
        handler = type("ProxyHere", (Proxy,), {"upstream": served})
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(make_certificate(tmp_path))
        proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        address = f"https://127.0.0.1:{proxy.server_port}"
        headers = {"Host": "blocks.example.com"}
        with httpx2.Client(base_url=address, verify=False, headers=headers, timeout=20) as client:
            yield client
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    application.close()
    connections.close_all()


def test_forms_and_cookies_work_behind_an_ingress(ingress) -> None:
    User.objects.create_superuser("sre", "sre@example.org", PASSWORD)
    page = ingress.get("/login/")
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"].startswith("max-age=3600")
    assert "; Secure" in page.headers["Set-Cookie"]
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token
    cookie = f"csrftoken={page.cookies['csrftoken']}"
    form = {"username": "sre", "password": PASSWORD, "csrfmiddlewaretoken": token[1], "next": "/flows/"}
    own = {"Origin": "https://blocks.example.com", "Referer": "https://blocks.example.com/login/"}
    answer = ingress.post("/login/", data=form, headers=own | {"Cookie": cookie})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/flows/")
    cookie += f"; sessionid={answer.cookies['sessionid']}"
    assert ingress.get("/flows/", headers={"Cookie": cookie}).status_code == 200
    # A form of another site is refused.
    foreign = {"Origin": "https://evil.example.com", "Referer": "https://evil.example.com/"}
    assert ingress.post("/login/", data=form, headers=foreign | {"Cookie": cookie}).status_code == 403


def test_plain_http_is_redirected_but_for_probes_and_nobody_can_claim_tls(transactional_db, secure) -> None:
    application = ThreadedApplication(get_wsgi_application())
    # The test's own address is not among the proxies.
    untrusting = ProxyHeadersMiddleware(application, trusted_hosts=["10.0.0.0/8"])  # type: ignore[arg-type]
    with serve(untrusting) as served, httpx2.Client(base_url=served.url) as client:
        claimed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.1.1"}
        for headers in ({}, claimed):
            answer = client.get("/status/", headers=headers)
            assert answer.status_code == 301
            assert answer.headers["Location"].startswith("https://")
        assert client.get("/health").status_code == 200
    application.close()
    connections.close_all()
