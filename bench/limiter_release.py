"""How soon a waiting stage runs once its provider has room: a part of ``bench.limiter``.

Stages wait for a full provider as deployed: a worker, the dispatcher, the broker, an SDK and a simulated
model. Then capacity appears in one of three ways: calls settle, the hour rolls over by the limiter's clock,
an operator resumes the provider.
"""

import json
import subprocess
import sys
from typing import Any

from bench import engine_arms as arms
from bench.scale import choose_size
from bench.simulated import run_simulator

SLOTS, QUOTA = choose_size(full=8, small=2), 1_000_000


def measure_release(servers: arms.Servers) -> dict[str, Any]:
    """``release_ms_p50`` and ``_p95`` over all ways, and the p95 of each."""
    with run_simulator() as urls:
        limits = {
            "GOOGLE_API_KEY": "k",
            "GOOGLE_MAX_CONCURRENCY": str(SLOTS),
            "GOOGLE_DAILY_TOKEN_QUOTA": str(QUOTA),
            "GOOGLE_TOKENS_PER_MINUTE": str(100 * QUOTA),
            "GOOGLE_REQUESTS_PER_MINUTE": "1000000",
            "DAILY_BUDGET_USD": "1000000",
        }
        more = {
            "ENGINE_PLUGINS": "bench.limiter_plugin",
            "GOOGLE_BASE_URL": urls["GOOGLE_BASE_URL"],
            **limits,
        }
        database = servers.require_migrated_database("release")
        arm = arms.Arm("release", servers, arms.compose_environment(servers, database, **more))
        here: dict[str, Any] = {"env": arm.environment, "cwd": arms.BENCH.parent}
        with arm:
            arms.start_worker(arm, "worker", "orchestrator", arms.FOUR, threads=str(2 * SLOTS))
            arm.start("dispatcher", sys.executable, "manage.py", "dispatcher")
            arm.wait_for_line("worker", " ready.")
            arm.wait_for_line("dispatcher", "leading")
            command = [sys.executable, "-m", "bench.limiter_release_driver"]
            return dict(
                json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, **here).stdout)
            )
