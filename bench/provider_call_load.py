"""The call that ``bench.provider_call`` repeats, and how a caller takes its turns.

Imports only what each peer's environment has: the standard library.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

MODEL = "gpt-4.1"
SYSTEM = "You review changes of a ledger. Answer with what is wrong and where.\n" * 8
# 8 KB, as a small stage sends.
PROMPT = "def balance(entries):\n    return sum(entry.amount for entry in entries if entry.posted)\n" * 90
# The simulated model answers with the README of a sample: about a hundred pieces of a stream.
ASKED = (
    "[blocks stage=docs round=1 nonce=4f1c0a9b8d7e6f50]\n"
    "<feature_request>\n# Basel I capital ratio\n</feature_request>\n"
)
MAX_TOKENS = 4000
TIMEOUT_SECONDS = 20.0


def compose_prompt(number: int) -> str:
    """The same question each time, except for its number, so that no cache can answer it."""
    return f"{PROMPT}\n{number}\n{ASKED}"


def compose_messages(number: int) -> list[dict[str, str]]:
    """The same conversation each time, except for its number."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": compose_prompt(number)}]


def join_pieces(chunks: Iterable[Any]) -> str:
    """The text of a streamed chat completion, from the chunks as the SDK gives them."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


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
