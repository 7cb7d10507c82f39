"""Answers that take a model nothing to write and a careless pattern for ever to read."""

import multiprocessing
import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from orchestrator import logs
from orchestrator.flows.generation.parsing import AnswerUnreadable, parse_files, parse_json_object
from orchestrator.flows.generation.parsing.contradictions import check_reason
from orchestrator.flows.generation.parsing.edits import apply_edits
from orchestrator.flows.generation.parsing.elision import check_whole

NONCE = "4f1c9a7be02d3365"
LENGTH = 50_000
GENEROUS_CPU_SECONDS = 20
REPEATED = (
    " ",
    "\t",
    "\n",
    "\u00a0",
    "a ",
    "a",
    "0",
    '"',
    "`",
    "*",
    "#",
    ">",
    "<<<",
    "'",
    "\u201c",
    "rest ",
    "{",
)
BEGINNINGS = (
    "",
    "<<<FILE ",
    "<<<EDIT ",
    "<<<END ",
    "<<</FILE ",
    "<<<SEARCH ",
    "```\n",
    "# ",
    "# ...",
    "# rest of the ",
)
READERS: dict[str, Callable[[str], object]] = {
    "files": lambda text: parse_files(text, NONCE, ["x.py"]),
    "a file": lambda text: parse_files(
        f"<<<FILE x.py {NONCE}>>>\n{text}\n<<<END {NONCE}>>>", NONCE, ["x.py"]
    ),
    "edits": lambda text: apply_edits("x.py", "x = 1\n", text.split("\n"), NONCE),
    "a whole file": lambda text: check_whole("x.py", text),
    "JSON": lambda text: parse_json_object(text, {"type": "object"}),
    "a contradiction": lambda text: check_reason(text, "# A request"),
    "a line of the log": lambda text: logs.strike_secrets(f"/{text}"),
}


def read_all(read: Callable[[str], object]) -> None:
    # Not a measurement: the limit only tells linear time from the hours of the fourth power.
    resource.setrlimit(resource.RLIMIT_CPU, (GENEROUS_CPU_SECONDS, GENEROUS_CPU_SECONDS))
    for repeated in REPEATED:
        for beginning in BEGINNINGS:
            with suppress(AnswerUnreadable):
                read(beginning + repeated * (LENGTH // len(repeated)) + "!")


@pytest.mark.parametrize("reader", READERS)
def test_no_answer_takes_longer_than_its_length_is_worth(reader: str) -> None:
    child = multiprocessing.get_context("fork").Process(target=partial(read_all, READERS[reader]))
    child.start()
    child.join(GENEROUS_CPU_SECONDS * 5)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0
