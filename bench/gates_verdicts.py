"""What the gates say to blocks whose right verdict is known: hostile, honest, and wrong with fitting tests.

The blocks are those of the tests. A wrong block is a textbook function with one mistake and with tests
written to fit it; its contract has the examples of the textbook, which the implementer of the mistake did not
write.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.scale import choose_size
from gates.base import Candidate, Policy
from gates.runner import DEFAULT_GATES, judge_reports, run_gates
from tests.gates.adversarial.hostile import HOSTILE
from tests.gates.adversarial.test_honest import FOLDERS, load_block
from tests.gates.adversarial.test_honest import POLICY as HONEST_POLICY
from tests.gates.honest.everyday import EVERYDAY
from tests.gates.honest.realistic import REALISTIC
from tests.gates.honest.repeated import RUNS, judge_at_once, list_refusals
from tests.gates.honest.textbook import TEXTBOOK, Textbook

# One in so many of the blocks; the small form shows only that the rest works.
STEP = choose_size(full=1, small=100)
_AT_ONCE = 2
_TOGETHER = (DEFAULT_GATES,)
# The cheapest first: most hostile blocks are refused by it.
_STEP_BY_STEP = (("security",), ("contract", "coverage", "mutation"))
# A mistake in each function: what was there, and what is there now.
MISTAKES = {
    "factorial": ("return 1", "return 2"),
    "fibonacci": ("a, b = 0, 1", "a, b = 1, 1"),
    "is_prime": ("n < 2", "n < 1"),
    "is_leap": ("% 400", "% 300"),
    "reverse": ("[::-1]", "[::1]"),
    "count_vowels": ("'aeiou'", "'aeio'"),
    "flatten": ("for item in row]", "for item in row[:1]]"),
    "clamp": ("min(value, high)", "min(value, low)"),
    "mean": ("/ len(values)", "/ (len(values) + 1)"),
    "median": ("ordered[middle - 1] +", "ordered[middle] +"),
    "dot": ("a * b", "a + b"),
    "digits_sum": ("total += n % 10", "total += n % 9"),
    "power": ("exponent % 2 == 1", "exponent % 2 == 0"),
    "to_binary": ("str(n % 2) + bits", "bits + str(n % 2)"),
    "from_roman": ("total -= values[c]", "total += values[c]"),
    "caesar": ("% 26", "% 25"),
    "count_words": (".get(word, 0)", ".get(word, 1)"),
    "chunks": ("len(values), size)", "len(values) - 1, size)"),
    "rotate": ("values[steps:] + values[:steps]", "values[:steps] + values[steps:]"),
    "second_largest": ("distinct[-2]", "distinct[1]"),
    "fizz_buzz": ("n % 15", "n % 30"),
    "max_subarray": ("best = max(best, current)", "best = current"),
    "celsius": ("- 32", "- 30"),
    "title": ("word[1:]", "word[2:]"),
}


def judge_hostile() -> dict[str, Any]:
    """How many hostile blocks get past all automatic gates."""
    blocks = [(each.name, each.candidate) for each in HOSTILE][::STEP]
    accepted = [name for name, said in _judge(blocks, Policy(), _STEP_BY_STEP) if not said]
    _print_wrong("hostile", accepted)
    return {"hostile_blocks": len(blocks), "hostile_accepted": len(accepted)}


def judge_honest() -> dict[str, Any]:
    """How many honest blocks are refused."""
    blocks = [(each.name, each) for each in _list_honest()]
    refused = [f"{name}: {said}" for name, said in _judge(blocks, HONEST_POLICY, _TOGETHER) if said]
    _print_wrong("honest", refused)
    return {"honest_blocks": len(blocks), "honest_refused": len(refused)}


def judge_repeated() -> dict[str, Any]:
    """How many honest blocks are refused once when each is judged five times at once."""
    blocks = _list_honest()
    changed = []
    for number, candidate in enumerate(blocks, 1):
        # Most of an hour for all of them: who waits wants to see how far it is.
        sys.stderr.write(f"repeated: {number} of {len(blocks)}, {candidate.name}\n")
        runs = judge_at_once(candidate, HONEST_POLICY)
        changed += [f"{candidate.name}: {said}" for said in map(list_refusals, runs) if said][:1]
    _print_wrong("repeated", changed)
    return {"repeated_blocks": len(blocks), "repeated_runs": RUNS, "repeated_refused": len(changed)}


def _list_honest() -> list[Candidate]:
    """The honest blocks of the tests, in the small form a few of them."""
    candidates = [load_block(folder) for folder in FOLDERS]
    candidates += [each.to_candidate() for each in TEXTBOOK]
    candidates += [each.to_candidate() for each in (*REALISTIC, *EVERYDAY)]
    return candidates[::STEP]


def judge_weak() -> dict[str, Any]:
    """How many wrong blocks pass with tests that fit them, beside examples by another hand."""
    weak = [make_weak_block(textbook) for textbook in TEXTBOOK if textbook.name in MISTAKES]
    blocks = [(each.name, each) for each in weak][::STEP]
    accepted = [name for name, said in _judge(blocks, Policy(), _STEP_BY_STEP) if not said]
    _print_wrong("weak", accepted)
    return {"weak_test_blocks": len(blocks), "weak_tests_accepted": len(accepted)}


def _print_wrong(kind: str, blocks: Iterable[str]) -> None:
    """The figures are counts; somebody has to know which blocks they count."""
    for block in blocks:
        sys.stderr.write(f"wrong verdict on a block of the kind {kind}: {block}\n")


def make_weak_block(textbook: Textbook) -> Candidate:
    """A wrong version of a textbook function, tests that fit it, and examples that do not."""
    wrong_code = textbook.code.replace(*MISTAKES[textbook.name])
    scope: dict[str, object] = {}
    exec(wrong_code, scope)  # noqa: S102 - our own text
    function = scope[textbook.name]
    calls = [(arguments, function(*arguments)) for arguments, _ in textbook.calls]  # type: ignore[operator]
    block = replace(textbook, code=wrong_code, calls=calls).to_candidate()
    contract = json.loads(block.contract)
    (entry,) = contract["entrypoints"]
    names = list(textbook.arguments)
    entry["examples"] = [
        {"input": dict(zip(names, arguments, strict=True)), "output": result}
        for arguments, result in textbook.calls
    ]
    return replace(block, contract=json.dumps(contract))


def _judge(
    blocks: Iterable[tuple[str, Candidate]], policy: Policy, steps: Sequence[Sequence[str]]
) -> list[tuple[str, str]]:
    """Name of each block, and what the gates say against it, empty where all of ``steps`` pass it.

    A block that one step refuses is not judged by the next.
    """

    def judge(block: tuple[str, Candidate]) -> tuple[str, str]:
        name, candidate = block
        for gates in steps:
            reports = run_gates(candidate, policy, gates)
            if not judge_reports(reports, policy):
                said = [f"{each.gate} {each.verdict}: {each.summary}" for each in reports]
                return name, "; ".join(text for text in said if " passed: " not in text)
        return name, ""

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(judge, blocks))


def measure_rate(candidate: Candidate, policy: Policy, count: int) -> float:
    """Blocks a minute through all gates, two at a time."""
    began = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda _: run_gates(candidate, policy), range(count)))
    return round(60 * count / (time.monotonic() - began), 1)


def read_busy_seconds() -> float:
    """Processor seconds that this machine has spent since its start, in programs and in the kernel."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system = map(int, fields[:3])
    return (user + nice + system) / 100
