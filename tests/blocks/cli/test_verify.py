"""`blocks verify key`, `attestation` and `replay` as people type them."""

import json
import subprocess
from pathlib import Path

import pytest
import typer

from blocks.cli import output, trusted_keys
from blocks.cli.client import Client
from blocks.cli.errors import Failure
from gates import runner
from orchestrator.celery import app
from orchestrator.flows.evidence import downloads, keys
from orchestrator.flows.models import EvidenceKey
from orchestrator.flows.replay import gate_replay
from tests import scenes
from tests.flows.evidence.conftest import make_key_pem
from tests.flows.stages.fakes import FakeGates, failing


@pytest.fixture
def state(settings, tmp_path: Path) -> None:
    """A new key and an empty store."""
    settings.STATE_DIR = tmp_path / "state"


def test_a_block_is_checked_at_download_and_offline_afterwards(state, blocks, offline, work, tmp_path):
    flow = scenes.run_through(scenes.make_flow())
    followed = blocks("flow", "follow", flow.id)
    assert followed.returncode == 0, followed.stderr
    assert "holds: verified; entry 1 of the log" in followed.stdout
    assert f"{keys.current_key().key_id} is trusted from now on" in followed.stdout

    folder = work / ".blocks/catalog/compliance/capital_ratio"
    found = offline("verify", "attestation", str(folder))
    assert found.returncode == 0, found.stdout
    assert "HOLDS" in found.stdout
    archive = tmp_path / "block.tar.gz"
    archive.write_bytes(downloads.sealed_block(flow) or b"")
    key = tmp_path / "key.pem"
    key.write_text(keys.current_key().public_pem)
    document = json.loads(offline("verify", "attestation", str(archive), "--key", str(key), "--json").stdout)
    assert (document["ok"], document["flow"], document["problems"]) == (True, flow.id, [])

    (folder / "README.md").write_bytes(b"# Another\n")
    found = offline("verify", "attestation", str(folder))
    assert found.returncode == 1
    assert "WRONG  README.md: was changed" in found.stdout


def test_a_key_that_changed_is_refused_until_it_is_accepted(state, settings, blocks, work):
    first = scenes.run_through(scenes.make_flow())
    assert blocks("flow", "follow", first.id).returncode == 0
    settings.EVIDENCE_SIGNING_KEY = make_key_pem()
    second = scenes.run_through(scenes.make_flow(request="# Another"))
    before = (work / ".blocks/catalog/compliance/capital_ratio/manifest.json").read_bytes()
    found = blocks("flow", "follow", second.id)
    assert found.returncode == 1
    new = keys.current_key().key_id
    assert "a key that this repo does not trust" in found.stderr
    assert (work / ".blocks/catalog/compliance/capital_ratio/manifest.json").read_bytes() == before
    assert new in blocks("verify", "key", "--accept", new).stdout
    assert blocks("flow", "follow", second.id).returncode == 0
    assert EvidenceKey.objects.count() == 2


def test_a_key_can_be_retired_and_every_check_says_since_when_and_why(state, settings, blocks, offline, work):
    flow = scenes.run_through(scenes.make_flow())
    assert blocks("flow", "follow", flow.id).returncode == 0
    key_id, folder = keys.current_key().key_id, ".blocks/catalog/compliance/capital_ratio"

    def retire(*words: str) -> "subprocess.CompletedProcess[str]":
        return offline("verify", "key", "--retire", key_id, *words)

    assert "--reason" in retire("--since", "2999-01-01").stderr
    assert retire("--reason", "It was copied.").returncode == 2
    done = retire("--since", "2999-01-01", "--reason", "It was copied.")
    assert (done.returncode, "retired from 2999-01-01 on: It was copied." in done.stdout) == (0, True)
    before = offline("verify", "attestation", folder)
    assert before.returncode == 0
    assert "NOTE   It was sealed with the key" in before.stdout
    # The blocks that it signed since then do not hold, and the service that signs with it is refused.
    retire("--since", "2000-01-01", "--reason", "It was copied.")
    since = offline("verify", "attestation", folder)
    assert since.returncode == 1
    assert "was retired on 2000-01-01: It was copied." in since.stdout
    refused = blocks("flow", "follow", flow.id)
    assert refused.returncode == 1
    assert "which this repo retired on 2000-01-01: It was copied." in refused.stderr
    (work / ".blocks/keys" / f"{key_id[:32]}.retired.json").write_text("{}")
    assert "does not say since when" in offline("verify", "attestation", folder).stderr


def offer_key(public_pem: str, monkeypatch) -> Client:
    """A service beyond this machine that signs with this key."""
    offered = {"keys": [{"public_key": public_pem, "current": True}]}
    monkeypatch.setattr(Client, "get", lambda *_, **__: offered)
    return Client("https://blocks.example.com", "token")


@pytest.mark.parametrize(("person", "agrees"), [(False, True), (True, False), (True, True)])
def test_the_first_key_is_trusted_only_where_a_person_agrees(state, tmp_path, monkeypatch, person, agrees):
    client, folder = offer_key(keys.current_key().public_pem, monkeypatch), tmp_path / ".blocks"
    asked = []
    monkeypatch.setattr(output, "can_ask", lambda: person)
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text) or agrees)
    if person and agrees:
        assert trusted_keys.trust_offered(client, folder)[1] == [keys.current_key().key_id]
    else:
        with pytest.raises(Failure, match="nobody agreed") as refused:
            trusted_keys.trust_offered(client, folder)
        assert "verify key --accept" in refused.value.cure
        assert not (folder / "keys").exists()
    assert len(asked) == person


def test_without_a_person_the_key_is_named(state, tmp_path, monkeypatch):
    client, key_id = offer_key(keys.current_key().public_pem, monkeypatch), keys.current_key().key_id
    monkeypatch.setattr(output, "can_ask", lambda: False)
    with pytest.raises(Failure, match="offers no key"):
        trusted_keys.trust_offered(client, tmp_path / ".blocks", "0" * 64)
    assert trusted_keys.trust_offered(client, tmp_path / ".blocks", key_id)[1] == [key_id]
    assert trusted_keys.trust_offered(client, tmp_path / ".blocks")[1] == []


def test_without_a_key_nothing_is_said_to_hold(offline, work, tmp_path):
    (tmp_path / "x").mkdir()
    found = offline("verify", "attestation", str(tmp_path / "x"))
    assert found.returncode == 2
    assert "blocks verify key" in found.stderr


def test_what_is_not_a_block_is_refused_with_code_1(offline, work, tmp_path):
    key, odd = tmp_path / "key.pem", tmp_path / "odd"
    key.write_text(keys._parse_key(make_key_pem().replace("\\n", "\n").encode(), "test").public_pem)
    odd.write_bytes(b"A" * 5000)
    for path in (odd, tmp_path / "absent"):
        found = offline("verify", "attestation", str(path), "--key", str(key))
        assert found.returncode == 1, path
        assert "is not a sealed block" in found.stderr


def test_a_replay_is_waited_for_and_compared(state, blocks, monkeypatch):
    flow = scenes.run_through(scenes.make_flow())
    monkeypatch.setattr(app, "send_task", lambda name, args, queue, retry: gate_replay.run_requested(*args))
    for gates, code, word in ((FakeGates(), 0, "same"), (FakeGates(failing("coverage")), 1, "DIFFERENT")):
        monkeypatch.setattr(runner, "run_gates", gates)
        found = blocks("verify", "replay", flow.id)
        assert found.returncode == code, found.stderr
        assert found.stdout.splitlines()[1].split()[0] == "coverage"
        assert found.stdout.splitlines()[1].split()[-1] == word
