"""Paths that may name a file: relative, inside, with one spelling."""

import pytest

from blocks.format.limits import MAX_PATH_LENGTH
from blocks.format.paths import is_safe_path


@pytest.mark.parametrize(
    "path", ["a", "a/b.py", ".blocks/config.yml", "...", "a b", "ä.py", "a" * MAX_PATH_LENGTH]
)
def test_a_path_inside(path: str) -> None:
    assert is_safe_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "./a",
        "..",
        "../a",
        "a/../b",
        "a\\b",
        "a\0b",
        "\udcff.py",
        "a" * (MAX_PATH_LENGTH + 1),
    ],
)
def test_a_path_that_leads_out_or_has_two_spellings(path: str) -> None:
    assert not is_safe_path(path)
