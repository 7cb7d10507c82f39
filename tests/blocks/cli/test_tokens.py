"""Where a token goes, and what a checkout cannot decide."""

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import cast

import pytest
import typer
from django.core.wsgi import get_wsgi_application
from django.db import connections
from typer.testing import CliRunner

from blocks.cli import catalog, credentials, flow_request, login, logout, output, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Failure
from blocks.cli.init import prepare_repo
from blocks.cli.plain_files import write_file
from orchestrator.repos import tokens
from orchestrator.serving.threads import ThreadedApplication
from tests.serving.server import serve

TOKEN = "blk_" + "t" * 43


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own, and a folder to work in."""
    for name in ("BLOCKS_API_URL", "BLOCKS_TOKEN", "BLOCKS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def configure(folder: Path, url: str) -> None:
    write_file(folder, folder / ".blocks" / "config.yml", f"repo: x\nurl: {url}\n".encode())


def test_a_checked_out_address_gets_no_token_of_the_environment(clean, monkeypatch) -> None:
    configure(clean, "https://evil.example.com")
    monkeypatch.setenv("BLOCKS_TOKEN", TOKEN)
    with pytest.raises(Failure, match="is not bound to that address") as refused:
        workspace.read_token(workspace.find_workspace())
    assert "export BLOCKS_API_URL=https://evil.example.com" in refused.value.cure
    monkeypatch.setenv("BLOCKS_API_URL", "https://blocks.example.com")
    here = workspace.find_workspace()
    assert (here.url, workspace.read_token(here)) == ("https://blocks.example.com", TOKEN)


@pytest.mark.parametrize("url", ["http://blocks.example.com", "ftp://x", "http://127.0.0.1.evil.example"])
def test_a_token_travels_by_https_only(monkeypatch, url) -> None:
    monkeypatch.setenv("BLOCKS_API_URL", url)
    monkeypatch.setenv("BLOCKS_TOKEN", TOKEN)
    with pytest.raises(Failure, match="A token is not sent"):
        workspace.read_token(workspace.find_workspace())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another account")
def test_the_configuration_of_another_account_above_is_refused(clean, monkeypatch) -> None:
    configure(clean, "https://evil.example.com")
    own = clean / "own"
    own.mkdir()
    os.chown(clean, 65534, 65534)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    os.chown(own, 1000, 1000)
    with pytest.raises(Failure, match="belongs to another account"):
        workspace.find_workspace(own)


def test_login_tries_the_token_and_binds_it_to_its_address(transactional_db, clean, monkeypatch) -> None:
    _, secret = tokens.create_token("mine")
    application = ThreadedApplication(get_wsgi_application())
    with serve(application) as served:
        configure(clean, served.url)
        done = CliRunner().invoke(login.app, ["--url", served.url], input=f"{secret}\n")
        assert done.exit_code == 0, done.output
        assert "the token mine reaches every repo" in done.output
        assert secret not in done.output
        assert workspace.read_token(workspace.find_workspace()) == secret
        assert stat.S_IMODE(credentials.find_file().stat().st_mode) == 0o600
        wrong = CliRunner().invoke(login.app, ["--url", served.url], input=f"{TOKEN}\n")
        assert isinstance(wrong.exception, Failure)
        assert workspace.read_token(workspace.find_workspace()) == secret
        CliRunner().invoke(logout.app, ["--url", served.url])
        with pytest.raises(Failure, match="No token"):
            workspace.read_token(workspace.find_workspace())
    application.close()
    connections.close_all()


def test_credentials_that_others_can_read_are_refused() -> None:
    credentials.store_tokens({"https://x": TOKEN})
    credentials.find_file().chmod(0o644)
    with pytest.raises(Failure, match="only you can read"):
        credentials.load_tokens()


@pytest.mark.parametrize("place", [".blocks", ".blocks/catalog", ".blocks/keys"])
def test_nothing_is_written_through_a_link(clean, tmp_path, place) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = clean / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(Failure, match="is a link"):
        write_file(clean, link / "a.pem", b"x")
    if place == ".blocks":
        with pytest.raises(Failure, match="is a link"):
            prepare_repo(clean, "x", "")
    assert list(outside.iterdir()) == []


def test_a_scratch_name_that_is_a_link_already_is_not_used(clean, tmp_path) -> None:
    target = clean / ".blocks" / "schemas" / "a.b.json"
    target.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    target.with_suffix(".tmp").symlink_to(victim)
    write_file(clean, target, b"{}")
    assert (target.read_text(), victim.read_text()) == ("{}", "mine")
    assert catalog.write_file is write_file


def test_text_of_the_service_does_not_steer_the_terminal(monkeypatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    output.print_line("repo: \x1b]0;mine\x07\x9b2J\u202eevil")
    output.print_json({"title": "\x9b2J é"})
    text = shown.getvalue()
    assert not [sign for sign in text if not sign.isprintable() and sign != "\n"]
    assert json.loads(text.partition("\n")[2]) == {"title": "\x9b2J é"}


@pytest.mark.parametrize(("person", "agrees"), [(False, False), (True, False), (True, True)])
def test_source_goes_under_another_name_only_with_a_word(monkeypatch, capsys, person, agrees) -> None:
    here = workspace.Workspace(Path("/nowhere"), "own-service", "http://127.0.0.1:1", "")
    monkeypatch.setattr(output, "can_ask", lambda: person)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: agrees)
    client = cast(Client, None)  # nobody has to be asked for the name
    assert flow_request.choose_repo(client, here, "own-service") == "own-service"
    assert capsys.readouterr().err == ""
    if person and not agrees:
        with pytest.raises(Failure, match="Nothing was sent"):
            flow_request.choose_repo(client, here, "other-service")
    else:
        assert flow_request.choose_repo(client, here, "other-service") == "other-service"
    assert "the repo own-service by its .blocks/config.yml" in capsys.readouterr().err
