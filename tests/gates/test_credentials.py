"""Which values are secrets, and what the security gate makes of them."""

import pytest

from gates.base import Policy, Verdict
from gates.credentials import find_secrets, looks_like_a_secret
from gates.runner import run_gate
from tests.gates.blocks import MODULE, block

SECRETS = (
    "hunter2",
    "s3cr3t",
    "P@ssw0rd!",
    "correct-horse-9",
    "sk-live-51HxQz",
    "Zm9vYmFyYmF6cXV4Zm9vYmFy",
    "qpwoeirutyalskdjfhgmznx",
)
WORDS = (
    "",
    "bearer",
    "Basic",
    "access_token",
    "SHA256",
    "oauth2",
    "RS256",
    "password",
    "the password",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "https://login.example/oauth/token",
    "https://login.example:8443/token",
    "{token}",
    "token=%s",
    "a b c 1",
    "v1",
    "12345678",
)


@pytest.mark.parametrize("value", SECRETS)
def test_secret(value: str) -> None:
    assert looks_like_a_secret(value)


@pytest.mark.parametrize("value", WORDS)
def test_word(value: str) -> None:
    assert not looks_like_a_secret(value)


def test_only_the_lines_of_the_finding_count() -> None:
    source = 'a = "hunter2"\nb = f(\n    password=b"s3cr3t",\n)\n'

    assert list(find_secrets(source, 2, 4)) == ["s3cr3t"]


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ('PASSWORD = "hunter2-for-all"', Verdict.FAILED),
        ('def login(password="hunter2-for-all"):\n    return password', Verdict.FAILED),
        ('TOKEN_TYPE = "bearer"', Verdict.PASSED),
        ('SECRET_ALGORITHM = "HS256"', Verdict.PASSED),
    ],
)
def test_security_gate_fails_a_secret_and_remarks_a_name(line: str, verdict: Verdict) -> None:
    report = run_gate("security", block(module=f"{MODULE}\n\n{line}\n"), Policy())

    assert report.verdict is verdict
    assert report.findings
