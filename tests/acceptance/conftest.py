"""One stack for the whole folder: its own PostgreSQL and Valkey, the processes of the Procfile, the
simulator.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from orchestrator.dev import demo, embedded, stack
from orchestrator.dev.collector import run_collector
from tests.acceptance.product import CLOSED_REPO, Product
from tests.acceptance.scenarios import extra_scenarios
from tests.commands import run_management_command

GIVEN = (
    "DATABASE_URL",
    "REDIS_URL",
    "ANTHROPIC_",
    "OPENAI_",
    "GOOGLE_",
    "BLOCKS_",
    "ENGINE_",
    "SIMULATOR_",
)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The running product. Its folder's name has a space, as a user's may."""
    folder = tmp_path_factory.mktemp("the product")
    shutil.copytree(stack.ROOT / "samples", folder / "samples")
    extra_scenarios(folder / "samples")
    bare = {name: "" for name in os.environ if name.startswith(GIVEN)}
    with (
        embedded.run_postgres() as database,
        embedded.run_valkey() as broker,
        run_collector() as collector,
    ):
        environment = bare | {
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "PORT": str(embedded.find_free_port()),
            "SIMULATOR_SAMPLES": str(folder / "samples"),
            "SIMULATOR_LATENCY_SECONDS": "0.05",
            "STATE_DIR": str(folder / "state"),
            "SECRET_KEY": "for-acceptance-only",
            "REPO_ALLOWLIST": ",".join(stack.list_sample_repos()),
            "ENGINE_BACKOFF_SECONDS": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        }
        with stack.run_processes(
            demo.PROCESSES, state=None, logs=folder / "logs", simulator=True, environment=environment
        ) as running:
            run_management_command(running.values, "local_access", CLOSED_REPO)
            yield Product(running, folder, collector)
