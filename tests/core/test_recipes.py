"""The pages that describe the recipes: every file that they name exists, and every name in code is one of the
project.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "add-a-resource",
    "add-an-error",
    "add-a-registry",
    "add-a-read-only-admin",
    "add-a-task",
    "publish-an-event",
)
CLASSES = re.compile(r"`([A-Z][a-z]+[A-Z]\w+)`")


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_recipe_names_exists(name):
    text = (ROOT / "docs/how-to" / f"{name}.md").read_text(encoding="utf-8")
    files = re.findall(r"`((?:orchestrator|onboarding|providers|gates|tests)/[\w/]+\.py)`", text)
    assert files
    assert [path for path in files if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_class_that_a_recipe_names_exists(name):
    text = (ROOT / "docs/how-to" / f"{name}.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "orchestrator").rglob("*.py"))
    assert [found for found in CLASSES.findall(text) if not re.search(rf"\b{found}\b", code)] == []


def test_the_index_lists_every_recipe():
    index = (ROOT / "docs/how-to/index.md").read_text(encoding="utf-8")
    assert [name for name in PAGES if f"({name}.md)" not in index] == []
