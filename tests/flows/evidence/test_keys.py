"""The signing key: from the environment, or made once, by the first process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from blocks.format.keys import read_public_key
from orchestrator.flows.evidence import keys, sealing
from orchestrator.flows.evidence.errors import EvidenceError
from tests.flows.evidence.conftest import make_key_pem
from tests.flows.evidence.subjects import SUBJECT

ROOT = Path(__file__).resolve().parents[3]


def test_a_local_key_is_made_once_and_kept_to_its_owner(settings: LazySettings) -> None:
    first = keys.current_key()
    path = Path(settings.STATE_DIR) / "keys" / "evidence.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert keys.current_key() == first
    assert read_public_key(first.public_pem.encode())[0] == first.key_id


def test_processes_that_make_a_key_at_once_all_use_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator.flows.evidence import keys\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "sys.stdout.write(keys._load_or_make(Path(sys.argv[1]) / 'keys' / 'evidence.pem').decode())\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "orchestrator.settings"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    pems = {process.communicate(timeout=60)[0] for process in running}
    assert pems == {(tmp_path / "keys" / "evidence.pem").read_text()}
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["evidence.pem"]


def test_the_key_of_the_environment_wins(settings: LazySettings) -> None:
    settings.EVIDENCE_SIGNING_KEY = make_key_pem()
    assert keys.current_key().key_id == keys.current_key().key_id
    assert not (Path(settings.STATE_DIR) / "keys").exists()


def test_what_is_not_an_ed25519_key_is_reported(settings: LazySettings) -> None:
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        keys.Encoding.PEM, keys.PrivateFormat.PKCS8, keys.NoEncryption()
    )
    for text in ("nonsense", other.decode()):
        settings.EVIDENCE_SIGNING_KEY = text
        with pytest.raises(EvidenceError) as refused:
            keys.current_key()
        assert refused.value.code == "evidence:bad-signing-key"
        assert "nonsense" not in str(refused.value)
        with pytest.raises(CommandError):
            call_command("signing_key")


@pytest.mark.django_db
def test_keys_in_force_and_retired_are_served_to_anybody(
    settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    old = keys.current_key().key_id
    sealing.seal(SUBJECT)
    settings.EVIDENCE_SIGNING_KEY = make_key_pem()
    new = keys.current_key().key_id
    served = APIClient().get("/api/v1/evidence/keys/").json()["keys"]
    assert [(key["key_id"], key["current"]) for key in served] == [(new, True), (old, False)]
    assert all(read_public_key(key["public_key"].encode())[0] == key["key_id"] for key in served)
    call_command("signing_key", "--public")
    assert read_public_key(capsys.readouterr().out.encode())[0] == new
