"""What a contributor finds in the root of the repository, compared with what the repository does."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LIST_DEPENDENCIES = """
from setuptools.dist import Distribution
distribution = Distribution({"script_name": "setup.py"})
distribution.parse_config_files()
print("\\n".join(str(line) for line in distribution.install_requires))
"""


def read_recipe(target: str) -> list[list[str]]:
    """The commands of a target of the Makefile, each as words, with its variables replaced."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.M)
    assert recipe, f"the Makefile has no target {target}"
    python = re.search(r"^PY := (.*)$", makefile, re.M)
    assert python
    commands = recipe[1].replace("\\\n\t", " ").replace("$(PY)", python[1])
    return [shlex.split(line.strip().removeprefix("@")) for line in commands.splitlines()]


def test_pre_commit_runs_what_make_lint_runs() -> None:
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in configuration["repos"] for hook in repo["hooks"]]
    # A hook is not run by a shell: `env` sets the variables that a shell takes before a command.
    entries = [[word for word in shlex.split(hook["entry"]) if word != "env"] for hook in hooks]
    assert entries == read_recipe("lint")
    for hook in hooks:
        # Each command looks at the whole tree: a change in one file may break another one.
        assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("system", False, True)


def test_every_command_of_the_guide_exists() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", guide, re.M)) - targets == set()
    modules = re.findall(r"python -m ([\w.]+)", guide)
    assert modules
    for module in modules:
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module


def test_make_clean_removes_what_git_ignores_and_nothing_else(tmp_path: Path) -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line for line in lines if line and not line.startswith("#")]
    place = tmp_path / "a checkout"
    kept = place / "blocks" / "format" / "kept.py"
    kept.parent.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", place)
    kept.touch()
    for pattern in ignored:
        name = pattern.replace("[cod]", "c").replace("*", "made").strip("/")
        # What is ignored everywhere is removed everywhere.
        for parent in (place,) if pattern.startswith("/") else (place, kept.parent):
            made = parent / name
            if pattern.endswith("/"):
                made.mkdir(parents=True)
                made /= "inside.py"
            made.touch()
    subprocess.run(["make", "clean"], cwd=place, check=True, capture_output=True)
    assert sorted(path.name for path in place.rglob("*") if path.is_file()) == ["Makefile", "kept.py"]


@pytest.mark.parametrize("template", ["Bug.md", "Feature.md"])
def test_both_hosts_ask_the_same_of_an_issue(template: str) -> None:
    gitlab = (ROOT / ".gitlab/issue_templates" / template).read_text(encoding="utf-8")
    form = (ROOT / ".github/ISSUE_TEMPLATE" / template.lower()).with_suffix(".yml")
    body = yaml.safe_load(form.read_text(encoding="utf-8"))["body"]
    asked = [field["attributes"]["label"] for field in body if field["type"] == "textarea"]
    assert re.findall(r"^## (.*)$", gitlab, re.M) == asked


def test_both_hosts_ask_the_same_of_a_merge_request() -> None:
    gitlab = ROOT / ".gitlab/merge_request_templates/Default.md"
    github = ROOT / ".github/PULL_REQUEST_TEMPLATE.md"
    assert gitlab.read_text(encoding="utf-8") == github.read_text(encoding="utf-8")


def test_dependencies_are_those_of_requirements_in() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", LIST_DEPENDENCIES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    named = []
    for name in ("requirements.in", "requirements-blocks.in"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        named += [line.partition("#")[0].strip() for line in lines]
    assert [name_dependency(line) for line in listed] == [name_dependency(line) for line in named if line]


def name_dependency(line: str) -> str:
    """The name in a requirement, without extras and versions."""
    return re.split(r"[~<>=\[]", line)[0]
