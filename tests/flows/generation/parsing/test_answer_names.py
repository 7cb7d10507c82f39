"""Names of blocks and families."""

import pytest

from orchestrator.flows.generation.parsing import AnswerUnreadable, check_block_name, check_family_name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("capital_ratio", "capital_ratio"),
        ("Capital-Ratio", "capital_ratio"),
        (" capital ratio ", "capital_ratio"),
        ("capital_ratio.py", "capital_ratio"),
        ("basel1", "basel1"),
    ],
)
def test_block_name_becomes_a_module_name(said: str, name: str) -> None:
    assert check_block_name(said) == name


@pytest.mark.parametrize(
    "said",
    [
        *(
            "",
            "a",
            "1st",
            "class",
            "match",
            "json",
            "decimal",
            "conftest",
            "sitecustomize",
            "usercustomize",
            "pytest",
            "coverage",
        ),
        *(
            "coverage",
            "list",
            "test_ratio",
            "ratio_test",
            "tests",
            "setup",
            "../ratio",
            "a/b",
            "a\\b",
            "r\u0430tio",
            "contract",
        ),
        "x" * 61,
        "__main__",
    ],
)
def test_names_that_do_harm_are_refused(said: str) -> None:
    with pytest.raises(AnswerUnreadable) as refused:
        check_block_name(said)
    assert refused.value.code == "answer:forbidden-name"


@pytest.mark.parametrize(
    ("said", "name"), [("Compliance", "compliance"), ("data-quality", "data-quality"), ("a b", "a_b")]
)
def test_family_becomes_a_folder_name(said: str, name: str) -> None:
    assert check_family_name(said) == name


@pytest.mark.parametrize("said", ["", "..", "../x", "a/b", "-", "é", "1"])
def test_family_that_is_no_folder_is_refused(said: str) -> None:
    with pytest.raises(AnswerUnreadable):
        check_family_name(said)
