"""Bundles to the byte: budgets, framing, the same everywhere, secrets in whole files, outlines and pieces."""

import hashlib
import re
import subprocess
import sys

import pytest

from orchestrator.core.redaction import MARK, redact_text
from orchestrator.flows.context import build_bundle

MODULE = '''"""Module {n}."""


class Ledger{n}:
    """Ledger {n}."""

    def post_{n}(self, amount: int) -> int:
        """Post an amount."""
        return amount * {n}


''' + "".join(
    f"def helper_{{n}}_{i}(value):\n    # {'é' * 20}\n    return value + {i}\n\n\n" for i in range(30)
)
FILES = {f"pkg/module_{n}.py": MODULE.format(n=n).encode() for n in range(60)} | {
    "README.md": b"# Ledgers\n" * 100
}
FILES["pkg/module_7.py"] = FILES["pkg/module_7.py"].replace(b"Post an amount.", b"Post an invoice.")
REQUEST = "# Post amounts\n\nUse `post_7()` of Ledger7 for an invoice."


@pytest.mark.parametrize("max_bytes", [*range(1, 120, 7), 500, 4096, 20_000, 65_537, 120_001])
def test_never_over_and_filled_where_there_is_enough(max_bytes: int) -> None:
    bundle = build_bundle(FILES, REQUEST, max_bytes=max_bytes, pruning=True)
    assert bundle.size == len(bundle.text.encode()) <= max_bytes
    if max_bytes >= 80_000:
        assert bundle.size >= 0.999 * max_bytes
    else:
        assert max_bytes - bundle.size <= 80


def test_whole_files_then_outlines_then_one_piece() -> None:
    bundle = build_bundle(FILES, REQUEST, max_bytes=20_000, pruning=True)
    headings = re.findall(r"^=== (\S+)(?: \((.+)\))?$", bundle.text, re.MULTILINE)
    assert [path for path, _ in headings] == list(bundle.included)
    kinds = [kind for _, kind in headings]
    assert kinds[0] == ""
    assert "outline" in kinds
    assert bundle.included[0] == "pkg/module_7.py"
    assert set(bundle.outlined) == {path for path, kind in headings if kind}
    assert bundle.omitted == len(FILES) - len(headings)


def test_outline_has_signatures_and_no_bodies() -> None:
    bundle = build_bundle(FILES, REQUEST, max_bytes=20_000, pruning=True)
    part = bundle.text.split(" (outline)\n")[1].split("=== ")[0]
    assert "class Ledger" in part
    assert "def helper_" in part
    assert "return" not in part


def test_everything_fits_and_is_whole() -> None:
    bundle = build_bundle(FILES, REQUEST, max_bytes=500_000, pruning=True)
    assert (set(bundle.included), bundle.outlined, bundle.omitted) == (set(FILES), (), 0)


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_same_bytes_in_every_process(seed: str) -> None:
    code = (
        "from tests.flows.context.test_context_packing import FILES, REQUEST, build_bundle; import sys\n"
        "sys.stdout.write(build_bundle(FILES, REQUEST, max_bytes=20_000, pruning=True).sha256)"
    )
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert told == build_bundle(FILES, REQUEST, max_bytes=20_000, pruning=True).sha256


BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("line_break", BREAKS, ids=[repr(one) for one in BREAKS])
def test_text_cannot_forge_a_heading(line_break: str) -> None:
    evil = f"x = 1{line_break}=== other.py{line_break}y = 2{line_break}\\=== third.py{line_break}"
    bundle = build_bundle({"a.py": evil.encode()}, "", max_bytes=1000, pruning=True)
    assert [line for line in bundle.text.splitlines() if line.startswith("=== ")] == ["=== a.py"]
    assert "\\=== other.py" in bundle.text
    assert "\\\\=== third.py" in bundle.text


@pytest.mark.parametrize(
    "path", ["a.py (outline)", "a\n=== b.py", "a\u2028=== b.py", 'q"uote.py', "a.py\x85", " a.py", "ünï.py"]
)
def test_odd_path_is_quoted_in_its_one_line(path: str) -> None:
    bundle = build_bundle({path: b"x = 1\n", "z.py": b""}, "", max_bytes=1000, pruning=True)
    headings = [line for line in bundle.text.splitlines() if line.startswith("=== ")]
    assert len(headings) == 2
    assert any(line.startswith('=== "') for line in headings)
    assert path in bundle.included


def test_secrets_are_gone_from_whole_files_outlines_and_pieces() -> None:
    secret = "AKIAIOSFODNN7" + "ABCDEFG"
    body = "".join(
        f"def f{i}(key='{secret}'):\n    value = '{secret}'\n    return value\n\n\n" for i in range(40)
    )
    files = {f"m{n}.py": body.encode() for n in range(20)} | {"prose.md": (f"key {secret}\n" * 50).encode()}
    for max_bytes in (3000, 10_000, 30_000):
        bundle = build_bundle(files, "f1", max_bytes=max_bytes, pruning=True)
        assert bundle.outlined
        assert secret not in bundle.text
        assert bundle.redactions > 0


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Use the key AKIAIOSFODNN7" + "ABCDEFG please", "AKIAIOSFODNN7" + "ABCDEFG"),
        ("DB_PASSWORD=hunter2hunter2", "hunter2hunter2"),
        ("export API_TOKEN='abcdefgh12345678'", "abcdefgh12345678"),
        ("Connect to postgres://app:s3cr3tpass@db/x", "s3cr3tpass"),
        ("curl -H 'Authorization: Bearer abcdefghijklmnop'", "abcdefghijklmnop"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc"),
    ],
)
def test_secrets_in_a_request_are_taken_out(text: str, secret: str) -> None:
    clean, found = redact_text(f"# Title\n\n{text}\n\nEnd.")
    assert secret not in clean
    assert MARK in clean
    assert found >= 1
    assert clean.startswith("# Title\n\n")
    assert clean.endswith("\n\nEnd.")


def test_request_about_passwords_is_left_alone() -> None:
    text = (
        "# Password rules\n\nA password has at least 12 characters. "
        "`API_TOKEN=${TOKEN}` stays. The token: see below.\n"
    )
    assert redact_text(text) == (text, 0)


def test_findings_keep_what_the_model_wrote_itself() -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    tests = f'def test_it():\n    assert digest("x") == "{digest}"\n'
    # A digest alone is not a secret any longer: a token that the model never wrote is.
    other = "ghp_" + hashlib.sha256(b"y").hexdigest()[:36]
    clean, found = redact_text(f'    assert digest("x") == "{digest}"\nE  - "{other}"', written=tests)
    assert digest in clean
    assert other not in clean
    assert found == 1
