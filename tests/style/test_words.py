"""Plain English: no word of the list in code, tests, documentation, templates and prompts."""

import pytest

from tests.style.words import ROOT, check_files, find_module_names, find_words, list_files


def test_no_word_of_the_list_is_used() -> None:
    findings = check_files(ROOT, ["."])
    assert findings == [], "\n".join(map(str, findings[:40]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Mended anew.", ["Mended", "anew"]),
        ("an error of\n    # ours that", ["of ours"]),
        ("The answer is no JSON object.", ["is no"]),
        ("the file lies in STATE_DIR", ["lies"]),
        ("the row that mended_by names", ["mended"]),
    ],
)
def test_a_turn_is_found_in_any_case_over_a_line_break_and_within_a_name(text: str, found: list[str]) -> None:
    assert [finding.found for finding in find_words(text, "a.py")] == found


@pytest.mark.parametrize(
    "text",
    [
        "There is no limit.",
        "It is no longer there.",
        "amended, recommend",
        "A friend of his own.",
        "relies, families",
    ],
)
def test_good_english_is_not_found(text: str) -> None:
    assert list(find_words(text, "a.py")) == []


def test_a_finding_names_the_line() -> None:
    assert [finding.line for finding in find_words("a\nb\nfix it anew\n", "a.md")] == [3]


def test_a_module_may_not_be_called_helpers() -> None:
    assert [finding.found for finding in find_module_names("gates/helpers.py")] == ["helpers"]
    assert list(find_module_names("docs/tools.md")) == []


def test_prompts_of_the_first_version_and_answers_of_simulated_models_are_exempt() -> None:
    names = list_files(ROOT, ["."])
    assert "README.md" in names
    assert not [name for name in names if name.endswith(".v1.md") or "/answers/" in name]
