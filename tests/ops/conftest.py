"""Prometheus's own programs, as ``make ops`` unpacks them."""

import pytest

from orchestrator.dev.ops_tools import OpsTools, find_ops_tools


@pytest.fixture(scope="session")
def ops_tools() -> OpsTools:
    found = find_ops_tools()
    if found is None:
        pytest.skip("prometheus, promtool, alertmanager and amtool are missing: run make ops")
    return found
