"""Files of a model that take long to colour or to read: a page shows them whole, and in time."""

import html
import re
import time

import pytest

from orchestrator.web.components.code import colour_lines
from orchestrator.web.components.prose import render_markdown

GENEROUS_CPU_SECONDS = 6.0


def read_back(lines: list[str]) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", "\n".join(lines)))


@pytest.mark.parametrize("seed", ["\t\n", "(", "@", "`", '"""', 'f"{', "a.", "x = 1\n"])
def test_a_file_is_shown_whole_and_in_time(seed: str) -> None:
    text = seed * (180_000 // len(seed)) + "x"
    began = time.thread_time()
    lines = colour_lines("a.py", text)
    assert time.thread_time() - began < GENEROUS_CPU_SECONDS
    assert read_back([str(line) for line in lines]) == text


@pytest.mark.parametrize("seed", ["[", "![", "[a][", "*a_", "[a](", "> "])
def test_a_readme_is_shown_in_time(seed: str) -> None:
    began = time.thread_time()
    # The first is the longest of these that is read.
    for length in (2_000 * len(seed), 29_000, 200_000):
        assert render_markdown((seed * (length // len(seed)))[:length])
    assert time.thread_time() - began < GENEROUS_CPU_SECONDS


def test_a_readme_too_long_to_read_is_shown_as_it_is() -> None:
    assert render_markdown("<b>" * 20_000) == f"<pre>{'&lt;b&gt;' * 20_000}</pre>"
