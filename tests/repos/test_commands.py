"""manage.py register_repo, create_token and local_access."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, Token


def run_command(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_repo_and_its_token(db):
    assert "registered" in run_command("register_repo", "compliance-service", "--domain", "regulatory")
    assert "was registered already" in run_command("register_repo", "compliance-service")
    secret = run_command("create_token", "ci", "--repo", "compliance-service").strip()
    assert secret.startswith("blk_")
    assert tokens.find_token(secret).repo == Repo.objects.get()
    assert tokens.find_token(run_command("create_token", "sre", "--operator").strip()).repo is None


def test_the_local_account_has_an_address_and_keeps_its_own(db):
    run_command("local_access", "demo")
    account = User.objects.get()
    assert account.email == "admin@localhost"
    account.email = "me@example.org"
    account.save()
    run_command("local_access", "demo")
    assert User.objects.get().email == "me@example.org"


def test_what_is_refused(db):
    with pytest.raises(CommandError, match="No repo"):
        run_command("create_token", "ci", "--repo", "nowhere")
    with pytest.raises(CommandError, match="lower-case"):
        run_command("register_repo", "Not Good")


def test_a_token_for_some_things_and_some_days(db):
    run_command("register_repo", "compliance-service")
    limits = ("--scope", "flows:read", "--scope", "blocks:read", "--days", "30")
    made = tokens.find_token(
        run_command("create_token", "ci", "--repo", "compliance-service", *limits).strip()
    )
    assert made.granted_scopes == ("flows:read", "blocks:read")
    assert timedelta(days=29) < made.expires_at - timezone.now() <= timedelta(days=30)
    with pytest.raises(CommandError, match="cannot have ops:write"):
        run_command("create_token", "ci", "--repo", "compliance-service", "--scope", "ops:write")
    with pytest.raises(CommandError, match="1 to 3650"):
        run_command("create_token", "ci", "--operator", "--days", "0")


def test_a_token_for_everything_is_asked_for_by_name(db):
    with pytest.raises(CommandError, match="--repo --operator"):
        run_command("create_token", "ci")
    assert not Token.objects.exists()
