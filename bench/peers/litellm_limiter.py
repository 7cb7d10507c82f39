"""One process of callers through litellm's Router, for ``bench/limiter.py``; run in litellm's own
environment.

A provider budget of as many USD as the quota has tokens, a millionth each, shared over Redis, which is how
the Router limits a day; the callers ask until it refuses. ``python litellm_limiter.py CALLERS SECONDS
QUOTA``.
"""

import asyncio
import os
import random
import sys
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the bundled list: no network

from urllib.parse import urlsplit

from litellm import Router

CALLERS, SECONDS, QUOTA = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
USD_A_TOKEN = 1e-6


def router() -> Router:
    """One deployment behind a budget of a day."""
    redis = urlsplit(os.environ["REDIS_URL"])
    parameters = {
        "model": "openai/gpt-4.1",
        "api_base": os.environ["OPENAI_BASE_URL"],
        "api_key": "k",
        "input_cost_per_token": USD_A_TOKEN,
        "output_cost_per_token": USD_A_TOKEN,
    }
    return Router(
        model_list=[{"model_name": "gpt-4.1", "litellm_params": parameters}],
        provider_budget_config={"openai": {"budget_limit": QUOTA * USD_A_TOKEN, "time_period": "1d"}},
        redis_host=redis.hostname,
        redis_port=redis.port,
        redis_password=redis.password,
        num_retries=0,
        disable_cooldowns=True,
    )


async def call_on(made: Router, deadline: float) -> None:
    """Ask with prompts of 240 to 1,600 tokens; end at the third refusal in a row."""
    dice, refused = random.Random(), 0
    while refused < 3 and time.monotonic() < deadline:
        prompt = "abc " * dice.randint(240, 1600)
        try:
            await made.acompletion("gpt-4.1", messages=[{"role": "user", "content": prompt}], max_tokens=50)
            refused = 0
        except ValueError as error:
            if "budget" not in str(error).lower():
                raise
            refused += 1
            await asyncio.sleep(1.0)


async def main() -> None:
    """All callers of this process."""
    made, deadline = router(), time.monotonic() + SECONDS
    await asyncio.gather(*(call_on(made, deadline) for _ in range(CALLERS)))
    await asyncio.sleep(2)


asyncio.run(main())
