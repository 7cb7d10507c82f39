"""The steps of the README and of the tutorial, typed into the real product and compared line by line."""

import os
import sys
from pathlib import Path

import pytest

from tests.acceptance.product import Product
from tests.docs.transcripts import ROOT, find_difference, read_steps, type_steps

pytestmark = pytest.mark.timeout(900)
TUTORIAL = ROOT / "docs/tutorial/first-block.md"
README = ROOT / "README.md"


def compare_page(page: Path, replaced: dict[str, str], home: Path) -> None:
    steps = read_steps(page.read_text(encoding="utf-8"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    wrong = [
        f"$ {step.command}\n{difference}"
        for step, printed in type_steps(steps, replaced, home, path)
        if (difference := find_difference(step.expected, printed))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_tutorial_prints_what_it_shows(product: Product, tmp_path: Path) -> None:
    replaced = {"http://127.0.0.1:8000": product.url, "blk_...": product.stack.access["token"]}
    assert len(read_steps(TUTORIAL.read_text(encoding="utf-8"))) > 8
    compare_page(TUTORIAL, replaced, tmp_path)


@pytest.mark.slow
def test_the_readme_prints_what_it_shows(tmp_path: Path) -> None:
    # The state of the checkout belongs to the developer.
    compare_page(README, {"make demo": f"STATE_DIR='{tmp_path}/state' make demo"}, tmp_path)


def test_the_readme_shows_one_step_and_how_it_ends() -> None:
    (step,) = read_steps(README.read_text(encoding="utf-8"))
    assert (step.command, step.expected[0]) == ("make demo", "...")
    # tests/dev runs the same command in the default suite, and checks this line.
    assert step.expected[-1].startswith("FLOW PASSED task_")
