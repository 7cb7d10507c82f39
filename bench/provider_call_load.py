"""The call that ``bench.provider_call`` repeats, and how a caller takes its turns. Imports nothing that a peer does not have."""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

MODEL = "gpt-4.1"
SYSTEM = "You review changes of a ledger. Answer with what is wrong and where.\n" * 8
PROMPT = (
    "def balance(entries):\n    return sum(entry.amount for entry in entries if entry.posted)\n" * 90
)  # 8 KB
MAX_TOKENS = 500
TIMEOUT_SECONDS = 20.0


def messages(number: int) -> list[dict[str, str]]:
    """The same conversation, but for its number, so that nothing is answered from a cache."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"{PROMPT}\n{number}"}]


def serve(call: Callable[[int], None], *packages: str) -> None:
    """For each line of standard input with a number, make so many calls and say what they took."""
    number = 0
    for line in sys.stdin:
        wall, started = [], time.process_time()
        for _ in range(int(line)):
            number += 1
            before = time.perf_counter()
            call(number)
            wall.append((time.perf_counter() - before) * 1000)
        cpu = (time.process_time() - started) * 1000 / int(line)
        said = {"cpu_ms": cpu, "wall_ms": wall, "versions": {name: version(name) for name in packages}}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
