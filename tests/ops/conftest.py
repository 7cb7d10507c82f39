"""Prometheus's own programs, as ``make ops`` unpacks them."""

from collections.abc import Iterator

import pytest

from orchestrator.dev.ops_tools import OpsTools, find_ops_tools
from tests.ops.seeded_prometheus import Prometheus, run_seeded_prometheus


@pytest.fixture(scope="session")
def ops_tools() -> OpsTools:
    found = find_ops_tools()
    if found is None:
        pytest.skip("prometheus, promtool, alertmanager and amtool are missing: run make ops")
    return found


@pytest.fixture
def prometheus(ops_tools, tmp_path, db) -> Iterator[Prometheus]:
    with run_seeded_prometheus(ops_tools, tmp_path) as running:
        yield running
