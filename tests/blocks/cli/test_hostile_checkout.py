"""A checkout, an environment or a service that means harm ends a command in words, at once."""

import gzip
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.blocks.format.test_config_file import HOSTILE

AWAY = {"BLOCKS_API_URL": "http://127.0.0.1:1", "BLOCKS_TOKEN": "blk_x"}
LIST = ("status", "flows")


def assert_plain(found, code: int | None = None) -> None:
    """It ended by itself, in words for people, which steer no terminal."""
    assert found.returncode in {1, 2, 4, 5}, found
    if code is not None:
        assert found.returncode == code, found.stderr
    assert "Traceback" not in found.stderr
    assert found.stderr.startswith("blocks: ")
    assert "\x1b" not in found.stderr + found.stdout


@pytest.fixture
def config(work: Path) -> Path:
    (work / ".blocks").mkdir()
    return work / ".blocks/config.yml"


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_configuration(offline, config, kind) -> None:
    text = HOSTILE[kind]
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_plain(offline(*LIST, timeout=30, **AWAY), 2)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999",
        "https://",
        "https://a b",
        "https://evil\\x1b[31m",
        "nothing",
        "https://me:hunter2secret@example.org",
    ],
)
def test_an_address_that_is_none(offline, config, url) -> None:
    config.write_text(f"url: {json.dumps(url)}\n")
    for environment in ({"BLOCKS_TOKEN": "blk_x"}, {"BLOCKS_TOKEN": "blk_x", "BLOCKS_API_URL": url}):
        found = offline(*LIST, **environment)
        assert_plain(found)
        assert "hunter2secret" not in found.stderr


@pytest.mark.parametrize("name", [".blocks/config.yml", ".blocks/.gitattributes", ".blocks/keys/a.pem"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_a_file_that_is_none(offline, work, name, kind) -> None:
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    words: tuple[str, ...] = ("verify", "attestation", ".") if "keys" in name else ("init",)
    if "config" in name:
        words = LIST
    assert_plain(offline(*words, timeout=30, **AWAY))


@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_a_catalog_that_is_no_folder(offline, work, tmp_path, kind) -> None:
    catalog = work / ".blocks/catalog"
    catalog.parent.mkdir()
    if kind == "file":
        catalog.write_text("x")
    else:
        catalog.symlink_to(tmp_path if kind == "link" else tmp_path / "nowhere")
    assert_plain(offline("init"), 2)
    assert list(tmp_path.iterdir()) == [work]


def test_a_request_without_end(offline) -> None:
    assert_plain(offline("flow", "run", "--input", "/dev/zero", timeout=30, **AWAY), 2)


@pytest.mark.parametrize("task", ["../../evil", "a\nb", "a?x=1", "a#b", "\x1b[2J", "%2e%2e/x", "a b"])
def test_a_name_that_leads_elsewhere(offline, task) -> None:
    for words in (("verify", "show"), ("flow", "show"), ("flow", "cancel"), ("flow", "follow")):
        assert_plain(offline(*words, task, **AWAY), 2)


def test_kept_tokens_that_cannot_be_read(offline, tmp_path) -> None:
    kept = tmp_path / "home/blocks/credentials.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("[" * 100_000)
    kept.chmod(0o600)
    found = offline(*LIST, XDG_CONFIG_HOME=str(tmp_path / "home"), BLOCKS_API_URL="http://127.0.0.1:1")
    assert_plain(found, 4)


ANSWERS = {
    "not JSON": b"<html>\x1b[2J",
    "deep": b"[" * 200_000,
    "another shape": b'{"results": 7}',
    "no object": b"[]",
    "nothing": b"",
    "steering": json.dumps({"results": [{"id": "\x1b[2J", "title": "\x1b]0;x\x07"}]}).encode(),
    "not UTF-8": b'"\xff\xfe"',
}


@pytest.fixture
def answer_with() -> Iterator[dict[str, bytes]]:
    """A service at ``url`` that answers everything with ``body``: packed or endless where that is set."""
    given: dict[str, bytes] = {"status": b"200"}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.send_response(int(given["status"]))
            self.send_header("Content-Type", "application/json")
            if "packed" in given:
                self.send_header("Content-Encoding", "gzip")
            if "endless" not in given:
                self.send_header("Content-Length", str(len(given["body"])))
            self.end_headers()
            try:
                self.wfile.write(given["body"])
                while "endless" in given:
                    self.wfile.write(b"x" * 65536)
            except OSError:  # the client has left
                pass

        do_POST = do_PUT = do_GET  # noqa: N815 - as Python's server calls them

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        given["url"] = f"http://127.0.0.1:{http.server_address[1]}".encode()
        yield given
        http.shutdown()


@pytest.mark.parametrize("status", [b"200", b"500"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_service_that_answers_something_else(offline, answer_with, kind, status) -> None:
    answer_with |= {"body": ANSWERS[kind], "status": status}
    environment = {"BLOCKS_API_URL": answer_with["url"].decode(), "BLOCKS_TOKEN": "blk_x"}
    for words in (LIST, ("flow", "show", "task_1"), ("verify", "key")):
        found = offline(*words, timeout=60, **environment)
        assert "Traceback" not in found.stderr, found.stderr
        assert "\x1b" not in found.stderr + found.stdout
        assert found.returncode != 0 or (kind == "steering" and words == LIST), (words, found)


@pytest.mark.parametrize("kind", ["endless", "packed"])
def test_a_service_that_sends_without_end(offline, answer_with, kind) -> None:
    answer_with |= {"body": gzip.compress(b" " * 200 * 2**20) if kind == "packed" else b"[", kind: b""}
    found = offline(*LIST, timeout=60, BLOCKS_API_URL=answer_with["url"].decode(), BLOCKS_TOKEN="blk_x")
    assert_plain(found, 5)
    assert "more than any answer has" in found.stderr
