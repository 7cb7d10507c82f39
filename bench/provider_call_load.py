"""The call that ``bench.provider_call`` repeats, and how a caller takes its turns.

Imports only what each peer's environment has: the standard library.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

MODEL = "gpt-4.1"
SYSTEM = "You review changes of a ledger. Answer with what is wrong and where.\n" * 8
# 8 KB, as a small stage sends.
PROMPT = "def balance(entries):\n    return sum(entry.amount for entry in entries if entry.posted)\n" * 90
MAX_TOKENS = 500
TIMEOUT_SECONDS = 20.0


def compose_messages(number: int) -> list[dict[str, str]]:
    """The same conversation each time, except for its number, so that no cache can answer it."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"{PROMPT}\n{number}"}]


def serve_turns(call: Callable[[int], str | None], *packages: str) -> None:
    """For each line of standard input with a number, make as many calls and print one line of JSON.

    ``call`` returns the answer's text. The line has CPU milliseconds a call, wall milliseconds of each call,
    and the distinct answers, by which the benchmark sees that every caller got the same.
    """
    number = 0
    for line in sys.stdin:
        wall: list[float] = []
        answers: set[str] = set()
        began = time.process_time()
        for _ in range(int(line)):
            number += 1
            before = time.perf_counter()
            answer = call(number)
            wall.append((time.perf_counter() - before) * 1000)
            answers.add(answer or "")
        cpu = (time.process_time() - began) * 1000 / int(line)
        report = {
            "cpu_ms": cpu,
            "wall_ms": wall,
            "answers": sorted(answers),
            "versions": {name: version(name) for name in packages},
        }
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()
