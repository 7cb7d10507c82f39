"""The real command line against a real server, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from blocks.format import verification
from blocks.format.envelope import SignedPayload
from blocks.format.keys import Keys, read_public_key
from orchestrator.flows.evidence import keys, sealing
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from tests import scenes
from tests.flows.evidence.subjects import SUBJECT

ROOT = Path(__file__).resolve().parents[2]
Blocks = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty git work tree called after the repo."""
    folder = tmp_path / "compliance-service"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@pytest.fixture
def offline(work: Path) -> Blocks:
    """`blocks` without a service; more environment may be given."""

    def run(*words: str, timeout: float = 60, **env: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BLOCKS_")}
        clean |= {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "PYTHONUTF8": "1"} | env
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        return subprocess.run(
            command, cwd=work, env=clean, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.fixture
def repo(transactional_db: None, settings) -> Repo:
    """A registered repo, and keys for every provider."""
    settings.PROVIDERS = {name: {**limits, "api_key": "k"} for name, limits in settings.PROVIDERS.items()}
    return scenes.make_repo()


@pytest.fixture
def blocks(offline: Blocks, service, repo: Repo) -> Blocks:
    """`blocks` with the service's address and a token of the repo."""
    secret = tokens.create_token("cli", repo)[1]

    def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return offline(*words, **({"BLOCKS_API_URL": service.url, "BLOCKS_TOKEN": secret} | env))

    return run


@pytest.fixture
def block(settings, tmp_path: Path) -> dict[str, bytes]:
    """The files of a sealed block."""
    settings.STATE_DIR = tmp_path / "state"
    return dict(sealing.seal(SUBJECT).files)


@pytest.fixture
def trusted(block) -> Keys:
    """The key that signed it."""
    return dict([read_public_key(keys.current_key().public_pem.encode())])


@pytest.fixture
def opened_once(monkeypatch) -> Mapping[bytes, SignedPayload]:
    """An envelope that nobody touched is opened once for all changes of a test: the same bytes under the
    same keys.

    What comes back is each envelope that held, with its key id and payload.
    """
    opened, known = verification.open_envelope, {}

    def remembering(raw: bytes, trusted: Keys) -> SignedPayload:
        if raw not in known:
            known[raw] = opened(raw, trusted)
        return known[raw]

    monkeypatch.setattr(verification, "open_envelope", remembering)
    return known
