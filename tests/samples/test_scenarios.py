"""Every sample is complete and says what the answer format asks for."""

import ast
import json
import re

import pytest

from tests.samples.scenario_files import NAMES, ROOT, sample

REPOS = {
    "compliance-service",
    "financial-reporting",
    "observability-platform",
    "data-pipelines",
    "api-gateway",
    "auth-service",
    "notification-system",
    "analytics-platform",
    "infra-automation",
    "devops-tooling",
}
GATES = {"contract", "coverage", "mutation", "security", "review"}
each = pytest.mark.parametrize("name", NAMES)


def test_there_is_a_sample_for_each_repo_and_one_that_never_passes() -> None:
    assert {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} == set(
        NAMES
    )
    assert set(NAMES) == REPOS | {"never-passes"}
    assert {sample(name).scenario["repo"] for name in NAMES} == REPOS
    assert [name for name in NAMES if sample(name).scenario["expect"] == "failed"] == ["never-passes"]


def test_every_gate_has_a_sample_that_repairs_it() -> None:
    repaired = [
        sample(name).scenario["repairs"]["gate"]
        for name in NAMES
        if name != "never-passes" and "repairs" in sample(name).scenario
    ]
    assert sorted(repaired) == sorted(GATES)


def test_titles_differ() -> None:
    assert len({sample(name).scenario["title"].casefold() for name in NAMES}) == len(NAMES)


@each
def test_the_scenario_names_what_is_there(name: str) -> None:
    scenario = sample(name).scenario
    assert set(scenario) - {"repairs"} == {"title", "repo", "family", "block", "expect", "answers"}
    assert scenario["expect"] in {"passed", "failed"}
    assert list(scenario["answers"]) == ["context", "plan", "implement", "review", "docs"]
    for stage in scenario["answers"]:
        for path in sample(name).answers(stage):
            assert path.is_dir() if stage in {"implement", "docs"} else path.is_file(), path
    if "repairs" in scenario:
        assert scenario["repairs"]["gate"] in GATES
        assert len(scenario["repairs"]["why"]) > 40
        assert len(scenario["answers"]["implement"]) > 1


@each
def test_every_answer_is_used(name: str) -> None:
    one = sample(name)
    named = {path.name for stage in one.scenario["answers"] for path in one.answers(stage)}
    assert {path.name for path in (one.folder / "answers").iterdir()} == named


@each
def test_the_first_heading_of_the_request_is_the_title(name: str) -> None:
    text = (ROOT / name / "feature_request.md").read_text(encoding="utf-8")
    first = re.search(r"^# +(.+?)\s*$", text, re.MULTILINE)
    assert first is not None
    assert first[1] == sample(name).scenario["title"]
    assert 20 <= len(text.splitlines()) <= 60


@each
def test_context_describes_the_repo(name: str) -> None:
    for context in sample(name).parsed("context"):
        assert set(context) == {"summary", "conventions"}
        assert context["summary"]
        assert context["conventions"]


@each
def test_the_plan_is_whole_and_agrees_with_the_contract(name: str) -> None:
    one = sample(name)
    promised = [
        {key: value for key, value in entry.items() if key != "examples"}
        for entry in one.contract()["entrypoints"]
    ]
    for plan in one.parsed("plan"):
        assert set(plan) == {
            "block_name",
            "block_family",
            "summary",
            "steps",
            "entrypoints",
            "risks",
            "tests",
            "examples",
            "capabilities",
            "private_modules",
            "contradictions",
        }
        assert plan["contradictions"] == []
        assert (plan["block_name"], plan["block_family"]) == (one.block, one.scenario["family"])
        assert all(
            plan[key] and all(isinstance(text, str) for text in plan[key])
            for key in ("steps", "risks", "tests")
        )
        for entry in plan["entrypoints"]:
            # Schemas travel as text: a vendor's grammar would close them.
            entry |= {side: json.loads(entry[side]) for side in ("input", "output")}
        assert plan["entrypoints"] == promised


@each
def test_reviews_end_as_expected_and_point_into_the_files(name: str) -> None:
    one = sample(name)
    reviews = one.parsed("review")
    for index, review in enumerate(reviews):
        assert set(review) == {"verdict", "summary", "findings", "wrong_examples"}
        assert review["verdict"] in {"approve", "block"}
        folder = one.answers("implement")[index if len(reviews) > 1 else -1]
        for finding in review["findings"]:
            assert set(finding) == {"path", "line", "severity", "message"}
            assert finding["severity"] in {"error", "warning", "note"}
            assert (
                1
                <= finding["line"]
                <= len((folder / finding["path"]).read_text(encoding="utf-8").splitlines())
            )
    assert (reviews[-1]["verdict"] == "approve") == (one.scenario["expect"] == "passed")
    blocked_first = one.scenario.get("repairs", {}).get("gate") == "review"
    assert (len(reviews) > 1 and reviews[0]["verdict"] == "block") == blocked_first


@each
def test_every_round_answers_three_files_of_a_sensible_size(name: str) -> None:
    one = sample(name)
    seen = set()
    for folder in one.answers("implement"):
        assert {path.name for path in folder.iterdir() if path.is_file()} == {
            f"{one.block}.py",
            f"test_{one.block}.py",
            "contract.json",
        }
        module = (folder / f"{one.block}.py").read_text(encoding="utf-8")
        assert 60 <= len(module.splitlines()) <= 200
        seen.add((module, (folder / f"test_{one.block}.py").read_text(encoding="utf-8")))
    assert len(seen) == len(one.answers("implement"))


@each
def test_public_names_of_the_block_are_documented_and_typed(name: str) -> None:
    one = sample(name)
    tree = ast.parse((one.answers("implement")[-1] / f"{one.block}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None, node.name
            assert all(argument.annotation for argument in node.args.args), node.name


@each
def test_the_repo_is_a_small_source_tree_with_a_readme(name: str) -> None:
    files = [
        path
        for path in (ROOT / name / "repo").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert 5 <= len(files) <= 15
    assert (ROOT / name / "repo" / "README.md").is_file()
    assert any(path.name.startswith("test_") for path in files)
    for path in files:
        if path.suffix == ".py":
            ast.parse(path.read_text(encoding="utf-8"))


def test_one_repo_holds_a_credential_that_must_be_redacted() -> None:
    holding = [
        name
        for name in NAMES
        for path in (ROOT / name / "repo").rglob("*.py")
        if "AKIAIOSFODNN7EXAMPLE" in path.read_text()
    ]
    assert holding == ["notification-system"]
    answers = (ROOT / "notification-system" / "answers").rglob("*.*")
    assert not any(
        "AKIAIOSFODNN7EXAMPLE" in path.read_text(encoding="utf-8") for path in answers if path.is_file()
    )
