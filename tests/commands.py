"""Management commands, run as an operator types them."""

import subprocess
import sys
from collections.abc import Mapping

from orchestrator.dev import stack


def run_management_command(values: Mapping[str, str], *arguments: str) -> str:
    """Run one to its end with ``values`` as its environment; what it printed. Raises ``StackError``."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=values,
        cwd=stack.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise stack.StackError(
            f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        )
    return done.stdout
