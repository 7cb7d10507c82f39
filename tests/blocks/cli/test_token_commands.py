"""`blocks token`: secrets are shown once and alone, and a token that is over is refused."""

import json

import pytest

from orchestrator.repos import tokens
from orchestrator.repos.models import Token


@pytest.fixture
def made(blocks):
    """A token that was made on the command line: its row and its secret."""
    found = blocks("token", "create", "nightly build")
    assert found.returncode == 0, found.stderr
    return Token.objects.get(name="nightly build"), found.stdout.strip()


def test_a_token_is_made_for_a_job(blocks, repo, made):
    token, secret = made
    assert token.repo == repo
    assert set(token.scopes) == {"flows:read", "flows:write", "blocks:read"}
    assert blocks("status", "flows", BLOCKS_TOKEN=secret).returncode == 0
    # It may not do more than it says.
    assert blocks("token", "list", BLOCKS_TOKEN=secret).returncode == 4


def test_the_secret_is_alone_on_standard_output(blocks):
    found = blocks("token", "create", "ci", "--scope", "flows:read", "--days", "7")
    assert len(found.stdout.splitlines()) == 1
    assert found.stdout.startswith("blk_")
    assert "Keep the secret now" in found.stderr
    assert found.stdout.strip() not in found.stderr
    masked = blocks("token", "create", "ci2", "-q", GITHUB_ACTIONS="true")
    assert masked.stderr == f"::add-mask::{masked.stdout}"


def test_tokens_are_listed_with_what_they_may_and_their_use(blocks, made):
    token, secret = made
    lines = [line.split("\t") for line in blocks("token", "list").stdout.splitlines()]
    (row,) = [cells for cells in lines if cells[0] == str(token.pk)]
    assert row[1:4] == ["nightly build", "live", "compliance-service"]
    assert row[4].endswith(" UTC")
    assert row[5] == "never"
    assert row[6] == "flows:read flows:write blocks:read"
    blocks("status", "flows", BLOCKS_TOKEN=secret)
    (shown,) = json.loads(blocks("token", "list", "--json", "name,last_used_from").stdout)["tokens"][:1]
    assert shown == {"name": "nightly build", "last_used_from": "127.0.0.1"}


def test_a_token_is_rotated_and_revoked(blocks, made):
    token, secret = made
    found = blocks("token", "rotate", str(token.pk), "--overlap", "1h")
    assert found.returncode == 0, found.stderr
    successor = found.stdout.strip()
    for each in (secret, successor):
        assert blocks("status", "flows", BLOCKS_TOKEN=each).returncode == 0
    asked = blocks("token", "revoke", str(token.pk))
    assert asked.returncode == 2
    assert "Add --yes where you agree." in asked.stderr
    assert blocks("token", "revoke", str(token.pk), "--yes").stdout == "nightly build is revoked.\n"
    assert blocks("status", "flows", BLOCKS_TOKEN=secret).returncode == 4
    assert blocks("status", "flows", BLOCKS_TOKEN=successor).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "x", "--repo", "a", "--operator"), "one repo or for all"),
        (("create", "x", "--scope", "everything"), "scopes"),
        (("rotate", "1", "--overlap", "soon"), "30m, 1h, 1d"),
        (("rotate", "999999"), "There is no token 999999"),
        (("revoke", "999999", "--yes"), "There is no token 999999"),
    ],
)
def test_what_is_wrong_is_said(blocks, words, said):
    found = blocks("token", *words)
    assert found.returncode == 2
    assert said in found.stderr


def test_only_an_operator_makes_a_token_of_an_operator(blocks):
    assert blocks("token", "create", "sre", "--operator").returncode == 4
    operator = {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}
    found = blocks("token", "create", "sre 2", "--operator", "--scope", "ops:read", "--json", **operator)
    assert json.loads(found.stdout)["operator"] is True
