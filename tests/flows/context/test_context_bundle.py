"""The context bundle: ranked, redacted, cut to the byte, the same every time."""

import hashlib

import pytest

from orchestrator.core.redaction import MARK, redact_file
from orchestrator.flows.context import BundleTooLarge, build_bundle, leave_out_secret_names
from tests.core.redaction.corpus import FORMATS

FILES = {
    "ledger/ratio.py": b"def capital_ratio(exposures): ...\n",
    "web/button.py": b"class Button: ...\n",
    "README.md": b"# Service\n",
    "logo.png": b"\x89PNG\0\0",
    "latin.txt": b"caf\xe9",
    ".env": b"PASSWORD=hunter2hunter2\n",
    "deploy/server.pem": b"-----BEGIN CERTIFICATE-----\n",
}
REQUEST = "# Capital ratio of exposures"


def test_relevant_files_come_first_and_what_is_no_text_stays_out() -> None:
    bundle = build_bundle(FILES, REQUEST, max_bytes=10_000, pruning=True)
    assert bundle.included[0] == "ledger/ratio.py"
    assert set(bundle.included) == {"ledger/ratio.py", "web/button.py", "README.md"}
    assert bundle.omitted == 4
    assert (bundle.size, bundle.sha256) == (
        len(bundle.text.encode()),
        hashlib.sha256(bundle.text.encode()).hexdigest(),
    )


@pytest.mark.parametrize("pruning", [True, False])
def test_a_file_whose_name_is_a_secret_is_neither_shown_nor_named(pruning: bool) -> None:
    key = FORMATS["GitHub token"]
    named = {f"{key}.py": b"x = 1\n", f"old/{key}/large.py": b"def f(): ...\n" * 9000}
    bundle = build_bundle(FILES | named, REQUEST, max_bytes=10_000, pruning=pruning)
    assert key not in f"{bundle}"
    assert bundle.omitted == 6
    assert leave_out_secret_names(FILES | named) == FILES


@pytest.mark.parametrize("max_bytes", [200, 1000, 1001, 1002, 1003, 5000])
def test_bundle_fills_its_budget_to_the_last_character(max_bytes: int) -> None:
    files = {f"f{number}.py": ("é" * 700 + "\n").encode() for number in range(9)}
    bundle = build_bundle(files, "anything", max_bytes=max_bytes, pruning=True)
    # Where little room is left, a file is left out rather than shown as a stump.
    assert max_bytes - 100 <= bundle.size <= max_bytes


def test_same_input_gives_the_same_bytes_in_any_order() -> None:
    backwards = dict(reversed(FILES.items()))
    assert build_bundle(FILES, REQUEST, max_bytes=60, pruning=True) == build_bundle(
        backwards, REQUEST, max_bytes=60, pruning=True
    )


def test_without_pruning_everything_up_to_500_kb() -> None:
    bundle = build_bundle({"a.py": b"x" * 400_000}, "", max_bytes=1, pruning=False)
    assert bundle.size > 400_000
    with pytest.raises(BundleTooLarge, match=r"^Context bundle exceeds 500KB$"):
        build_bundle({"a.py": b"x" * 300_000, "b.py": b"x" * 300_000}, "", max_bytes=1, pruning=False)


def test_path_cannot_forge_a_heading() -> None:
    bundle = build_bundle({"a\n=== b.py\n.py": b"x = 1\n"}, "", max_bytes=1000, pruning=True)
    assert sum(line.startswith("=== ") for line in bundle.text.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "text", "secret"),
    [
        ("a.py", 'KEY = "AKIAIOSFODNN7ABCDEFG"', "AKIAIOSFODNN7ABCDEFG"),
        ("a.py", 'password = "correct-horse-battery"', "correct-horse-battery"),
        ("a.yml", "db_password: correct-horse-battery", "correct-horse-battery"),
        ("a.py", 'URL = "postgres://app:s3cr3tpass@db/x"', "s3cr3tpass"),
        ("a.py", 'T = "ghp_' + "a1B2" * 9 + '"', "ghp_" + "a1B2" * 9),
        (
            "a.py",
            'X = "' + "q9Zr7TxW2vKp4LmN8sBd1YhJ6cFg3QeUaXoi5RtV" + '"',
            "q9Zr7TxW2vKp4LmN8sBd1YhJ6cFg3QeUaXoi5RtV",
        ),
        (
            "key.txt",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\nxyz\n-----END RSA PRIVATE KEY-----\nafter",
            "MIIabc\nxyz",
        ),
        ("a.py", 'S = "xoxb-123456789012-123456789012-' + "aB3dE6gH9" * 2 + '"', "aB3dE6gH9aB3dE6gH9"),
        ("a.py", 'password = "correct-horse-battery"  # pragma: allowlist secret', "correct-horse-battery"),
    ],
)
def test_secret_is_replaced_and_counted(path: str, text: str, secret: str) -> None:
    clean, found = redact_file(path, f"before\n{text}\nlast")
    assert secret not in clean
    assert MARK in clean
    assert found >= 1
    assert clean.startswith("before\n")
    assert clean.endswith("last")


def test_key_without_an_end_takes_the_rest_of_the_file_along() -> None:
    assert redact_file("key.txt", "before\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef") == (
        f"before\n{MARK}",
        1,
    )


def test_plain_code_is_left_alone() -> None:
    text = 'def post(entry: Entry) -> None:\n    """Post the entry."""\n    token = next(tokens)\n'
    assert redact_file("a.py", text) == (text, 0)
