"""The flow types of ``plugin.py``."""

from collections.abc import Iterator

import pytest

from orchestrator.flows import flow_types
from providers import registry as models


@pytest.fixture
def asking_flows(settings) -> Iterator[None]:
    settings.ENGINE_PLUGINS = ("tests.flows.quotas.plugin",)
    flow_types._known_versions.cache_clear()
    yield
    models.close_adapters()
    flow_types._known_versions.cache_clear()
