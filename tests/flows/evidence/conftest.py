from pathlib import Path

import pytest
from django.conf import LazySettings


@pytest.fixture(autouse=True)
def _state(settings: LazySettings, tmp_path: Path) -> None:
    """Each test has a key and an evidence store of its own."""
    settings.STATE_DIR = tmp_path / "state"
