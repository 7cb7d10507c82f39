"""``make restore-drill`` as it is typed: a whole stack, samples on their way to blocks, and a new server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_drill_passes_while_samples_become_blocks(tmp_path):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.dev.restore_drill"],
        cwd=ROOT,
        env=clean | {"STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.endswith("RESTORE PASSED\n")
    told = re.search(
        r"(\d+) flows, (\d+) events, (\d+) calls of models, (\d+) seals: the same as", done.stdout
    )
    assert told is not None
    # The first sample has passed before the backup begins, so a seal is among what was compared.
    assert all(int(number) > 0 for number in told.groups())
    left_out = re.search(r"(\d+) events written after it are not there", done.stdout)
    assert int(left_out[1]) > 0
