"""The flow types of ``plugin.py``."""

from collections.abc import Iterator

import pytest

from providers import registry as models


@pytest.fixture
def asking_flows(settings) -> Iterator[None]:
    settings.ENGINE_PLUGINS = ("tests.flows.quotas.plugin",)
    yield
    models.close_adapters()
