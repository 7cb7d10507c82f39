"""An issuer of OIDC tokens on loopback: it signs as GitHub and GitLab do, and misbehaves on request."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "https://blocks.example.org"


@cache
def make_key(name: str) -> Any:
    """A private key, made once for each name: ``rsa...``, ``weak...`` or ``ec...``."""
    if name.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 1024 if name.startswith("weak") else 2048)


def describe_key(name: str) -> dict[str, Any]:
    """The public half as JSON, as an issuer publishes it."""
    algorithm = "ES256" if name.startswith("ec") else "RS256"
    kind = jwt.algorithms.get_default_algorithms()[algorithm]
    described: dict[str, Any] = kind.to_jwk(make_key(name).public_key(), as_dict=True)  # type: ignore[attr-defined]
    described.pop("key_ops", None)
    return {**described, "kid": name, "use": "sig", "alg": algorithm}


class Issuer:
    """``answer`` is what it does when it is asked: ``ok``, or one of the ways below."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer = "ok"
        self.published = ["rsa1", "ec1"]
        self.asked = 0

    def github_claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "repo:example-org/auth-service:ref:refs/heads/main",
            "iat": now,
            "nbf": now - 300,
            "exp": now + 300,
            "jti": f"{now}-{id(changed)}-{time.perf_counter_ns()}",
            "repository": "example-org/auth-service",
            "repository_id": "123456",
            "repository_owner": "example-org",
            "ref": "refs/heads/main",
            "ref_type": "branch",
            "event_name": "push",
            "workflow": "blocks",
            "run_id": "77",
        }
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def gitlab_claims(self, **changed: Any) -> dict[str, Any]:
        claims = {
            "sub": "project_path:group/sub/auth-service:ref_type:branch:ref:main",
            "project_path": "group/sub/auth-service",
            "project_id": "42",
            "ref": "main",
            "ref_type": "branch",
            "ref_protected": "true",
            "pipeline_source": "push",
            **dict.fromkeys(("repository", "repository_id", "repository_owner", "event_name")),
        }
        return self.github_claims(**{**claims, **changed})

    def sign(self, claims: dict[str, Any], key: str = "rsa1", **header: Any) -> str:
        algorithm = "ES256" if key.startswith("ec") else "RS256"
        return jwt.encode(claims, make_key(key), algorithm=algorithm, headers={"kid": key, **header})

    def build_answer(self, path: str) -> Any:
        if path.endswith("openid-configuration"):
            issuer = "https://elsewhere.example.org" if self.answer == "other issuer" else self.url
            host = "https://keys.example.org" if self.answer == "other host" else self.url
            return {"issuer": issuer, "jwks_uri": f"{host}/keys"}
        return {"keys": [describe_key(name) for name in self.published]}


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        issuer = self.issuer
        issuer.asked += 1
        body = json.dumps(issuer.build_answer(self.path)).encode()
        if issuer.answer == "down":
            self.send_error(500)
            return
        if issuer.answer == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{issuer.url}/again{self.path}")
            self.end_headers()
            return
        if issuer.answer == "huge":
            body = body[:-1] + b', "more": "' + b"x" * 1_000_000 + b'"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if issuer.answer == "drip":
            for one in body:
                self.wfile.write(bytes([one]))
                time.sleep(0.2)
            return
        self.wfile.write(b"<html>" if issuer.answer == "not json" else body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that leaves early is what some tests want."""


@contextmanager
def run_issuer() -> Iterator[Issuer]:
    """An issuer that listens on a free port of loopback."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    handler.issuer = issuer = Issuer(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
