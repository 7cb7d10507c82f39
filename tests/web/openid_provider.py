"""An OpenID provider on loopback that holds us to PKCE, and a person's way through it.

oidc-provider-mock signs tokens and uses up codes, and does not check the PKCE verifier. This adds that: a
code without a challenge is not given, and one whose verifier does not fit is not exchanged.
"""

import base64
import hashlib
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import authlib.deprecate
import requests
import werkzeug.serving

with warnings.catch_warnings():
    # About a module of authlib that only the provider uses.
    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    import oidc_provider_mock

Wsgi = Callable[..., Any]


@dataclass
class Provider:
    """The provider; ``is_away`` lets it answer 503 to everything."""

    url: str = ""
    is_away: bool = False
    challenges: dict[str, str] = field(default_factory=dict)
    """PKCE challenges by the code that was given for them."""
    change_answer: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
    """Makes of an answer in JSON, by its path, one that a provider never gives."""

    def set_person(self, subject: str, **claims: Any) -> None:
        """What the provider says of ``subject`` from now on."""
        requests.put(f"{self.url}/users/{subject}", json=claims, timeout=5).raise_for_status()

    def log_in(self, address: str, subject: str, *, action: str = "") -> str:
        """Log in there as ``subject``; where the browser is sent back to."""
        body = {"sub": subject, "action": action} if action else {"sub": subject}
        answer = requests.post(address, data=body, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


def change_query(address: str, **changes: str) -> str:
    """``address`` with other values in its query."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changes)))


def _require_pkce(provider: Provider, application: Wsgi) -> Wsgi:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if provider.is_away:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"away"]
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if environ["PATH_INFO"] == "/oauth2/authorize":
            if query.get("code_challenge_method") != ["S256"] or not query.get("code_challenge"):
                start("400 Bad Request", [("Content-Type", "text/plain")])
                return [b"PKCE is required"]
            return application(environ, _note_challenge(provider, query["code_challenge"][0], start))
        if environ["PATH_INFO"] == "/oauth2/token":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)
            sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
            wanted = provider.challenges.get(sent.get("code", ""))
            if wanted != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                start("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant"}']
        if provider.change_answer is not None and environ["PATH_INFO"] in ("/oauth2/token", "/userinfo"):
            return _change_answer(provider, application, environ, start)
        return application(environ, start)

    return answer


def _change_answer(provider: Provider, application: Wsgi, environ: dict[str, Any], start: Any) -> list[bytes]:
    assert provider.change_answer is not None
    begun: list[Any] = []
    body = b"".join(application(environ, lambda *given: begun.append(given)))
    changed = json.dumps(provider.change_answer(environ["PATH_INFO"], json.loads(body))).encode()
    start(begun[0][0], [("Content-Type", "application/json"), ("Content-Length", str(len(changed)))])
    return [changed]


def _note_challenge(provider: Provider, challenge: str, start: Callable[..., Any]) -> Callable[..., Any]:
    def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        for name, value in headers:
            if name == "Location":
                code = parse_qs(urlsplit(value).query).get("code")
                if code:
                    provider.challenges[code[0]] = challenge
        return start(status, headers, *more)

    return begin


@contextmanager
def serve_provider() -> Iterator[Provider]:
    """The provider on a free port of loopback."""
    provider = Provider()
    application = _require_pkce(provider, oidc_provider_mock.app(require_nonce=True).wsgi_app)
    server = werkzeug.serving.make_server("127.0.0.1", 0, application, threaded=True)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
