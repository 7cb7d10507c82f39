"""`blocks request`: a request is begun from a template, and read for what it lacks before models read it."""

import json
import subprocess
import sys

import pytest

from blocks.cli.request_check import check_request
from tests.blocks.conftest import ROOT

SAMPLES = sorted((ROOT / "samples").glob("*/feature_request.md"))
GOOD = """\
# Basel capital ratio

Every report rounds it in its own way, and twice an entity was said to comply that did not. One block for all.

## What it does

`ratio(capital, assets)` gets two `Decimal` amounts of one currency and returns the ratio, with two places.

- At most 10^15 each; exactly at the limit is accepted. Rounded half up, once, at the end.

## Examples

- `ratio("8", "100")` returns `"0.08"`.
- `ratio("8", "0")` raises `ValueError`.

## What it refuses

`ValueError` for a negative amount or assets of zero, and the message names the argument.

## Constraints

Pure, standard library. It does not load the book.
"""


def list_missing(text: str) -> set[str]:
    return {remark.what for remark in check_request(text) if remark.level == "missing"}


def test_a_good_request_lacks_nothing():
    assert check_request(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("# Basel capital ratio\n", "", "title"),
        ("## Examples", "# Another feature", "title"),
        ('- `ratio("8", "0")` raises `ValueError`.\n', "", "examples"),
        ("once, at the end", "once, TODO at the end", "open"),
        ("One block", "sk-live-0123456789abcdef0123 One block", "secret"),
    ],
)
def test_what_is_taken_out_is_missed(old, new, missing):
    assert old in GOOD
    assert list_missing(GOOD.replace(old, new)) == {missing}


def test_a_line_without_anything_is_nearly_all_missing():
    assert list_missing("Make reports faster, please.") == {
        *("title", "size", "interface", "examples", "refusals", "limits"),
    }


@pytest.mark.parametrize(
    ("example", "counts"),
    [
        ('- `f(1, "a")` returns `2`', True),
        ("- `f(1)` → 2", True),
        ("| `f(1)` | 2 |", True),
        ("`f([1, (2)])`\nraises `ValueError`", True),
        ("- `f(value)` returns the result", False),
        ("- `f(1)` and so it goes", False),
    ],
)
def test_an_example_has_exact_values_and_a_result(example, counts):
    text = f"# Title\n{example}\n\n{example}\n"
    found = {remark.what for remark in check_request(text)}
    assert ("examples" not in found) is counts


def test_vague_words_are_hints_at_their_lines():
    text = GOOD.replace("One block for all.", "It has to be fast.")
    (remark,) = check_request(text)
    assert (remark.level, remark.what, remark.line) == ("hint", "vague", 3)
    # In code a word is a name.
    assert check_request(GOOD + "\n```\nfast = 1\n```\n") == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_of_the_samples_nothing_is_missing_but_examples(path):
    assert list_missing(path.read_text(encoding="utf-8")) <= {"examples"}


def test_a_request_of_the_guide_passes():
    guide = (ROOT / "docs/how-to/write-a-feature-request.md").read_text(encoding="utf-8")
    example = guide.split("```markdown\n")[1].split("```\n")[0]
    assert list_missing(example) <= {"examples"}


def test_a_template_is_filled_in_and_checked(offline, work):
    found = offline("request", "new", "--title", "Basel  capital\nratio")
    assert found.stdout == (
        "Wrote feature_request.md. Fill in each TODO, then: blocks request check feature_request.md\n"
    )
    text = (work / "feature_request.md").read_text()
    assert text.startswith("# Basel capital ratio\n")
    checked = offline("request", "check", "feature_request.md")
    assert checked.returncode == 1
    assert checked.stdout.count("was left open") == text.count("TODO")
    again = offline("request", "new")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert (work / "feature_request.md").read_text() == text


def test_remarks_are_said_to_people_and_scripts(offline, work):
    (work / "fr.md").write_text(GOOD.replace("- At most 10^15", "- Fast. At most 10^15"))
    found = offline("request", "check", "fr.md")
    assert found.returncode == 0
    assert found.stdout.splitlines()[0] == "hint     vague      line 9  'Fast' leaves the choice to a model."
    assert found.stdout.splitlines()[-1] == "Nothing is missing."
    document = json.loads(offline("request", "check", "fr.md", "--json").stdout)
    assert (document["ok"], document["remarks"][0]["line"]) == (True, 9)
    assert offline("request", "check", "missing.md").returncode == 2


def test_a_request_comes_through_standard_input(work):
    command = [sys.executable, "-m", "blocks.cli.main", "request", "check", "-"]
    done = subprocess.run(
        command,
        input=GOOD.encode(),
        cwd=work,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"Nothing is missing.\n"
