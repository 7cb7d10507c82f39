"""The action for GitHub and the template for GitLab: their steps run as the platforms run them."""

import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from orchestrator.core import cli_wheel
from orchestrator.flows.evidence import keys
from tests.blocks.ci.conftest import ROOT, commit_files, git

pytestmark = pytest.mark.slow
ACTION = ROOT / "deploy/ci/github/action.yml"
TEMPLATE = ROOT / "deploy/ci/gitlab/blocks.yml"
VERSION = cli_wheel.pack_wheel().version
FOLDER = ".blocks/catalog/compliance/ratio"


@pytest.fixture
def wheel_server(service, tmp_path, settings):
    """The service with the wheel that it packs at ``/cli/``; its address and the wheel's SHA-256.

    The packages that the wheel needs would come from an index. In its place is a folder with a wheel of each
    name and version, which leads to the package that is installed here.
    """
    settings.ALLOWED_HOSTS = ["*"]
    (tmp_path / "index").mkdir()
    for line in metadata.requires(cli_wheel.DISTRIBUTION) or ():
        pack_stand_in(tmp_path / "index", Requirement(line).name)
    return service.url, cli_wheel.pack_wheel().sha256


def pack_stand_in(folder: Path, name: str) -> None:
    """A wheel by which ``name`` is installed, and found where it is installed already."""
    version, safe = metadata.version(name), name.replace("-", "_")
    info = f"{safe}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{safe}-{version}-py3-none-any.whl", "w") as packed:
        # Read when Python starts; what is installed beside it goes before, `blocks` among it.
        packed.writestr(f"{safe}.pth", sysconfig.get_path("purelib") + "\n")
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")


def run_script(
    job, script: str, values: dict[str, str], shell: list[str]
) -> subprocess.CompletedProcess[str]:
    kept = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(job.scratch),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(job.scratch / "index"),
    }
    return subprocess.run(
        [*shell, "-c", script],
        cwd=job.work,
        env=kept | job.values | job.extra | values,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def run_action(job, given: dict[str, str], *, first: int = 0) -> subprocess.CompletedProcess[str]:
    """The steps of the composite action from ``first`` on, as GitHub's runner does them: until one fails."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    inputs = {name: given.get(name, facts.get("default")) for name, facts in action["inputs"].items()}
    unknown = given.keys() - inputs.keys()
    missing = {name for name, facts in action["inputs"].items() if facts.get("required")} - given.keys()
    assert (unknown, missing) == (set(), set())

    def expand(text: str) -> str:
        known = {f"inputs.{name}": str(value) for name, value in inputs.items()}
        known["github.token"] = job.values["GITHUB_TOKEN"]
        # Twice: the default of an input may name another value.
        for _ in range(2):
            text = re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: known[found[1]], text)
        return text

    for step in action["runs"]["steps"][first:]:
        values = {name: expand(value) for name, value in step["env"].items()}
        values["RUNNER_TEMP"] = str(job.scratch)
        done = run_script(job, step["run"], values, ["bash", "--noprofile", "--norc", "-eo", "pipefail"])
        if done.returncode != 0:
            break
    return done


@pytest.fixture
def catalog(db, block, work) -> None:
    """A checkout with one block and its key."""
    files = {f"{FOLDER}/{path}": content for path, content in block.items()}
    commit_files(work, files | {".blocks/keys/service.pem": keys.current_key().public_pem.encode()})


def test_the_action_installs_the_wheel_by_its_hash_and_hands_its_inputs_over(
    github_job, wheel_server, catalog
):
    url, digest = wheel_server
    given = {"command": "verify", "url": url, "cli-version": VERSION, "cli-sha256": digest}
    done = run_action(github_job, given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds  compliance/ratio" in done.stdout
    # The files of the wheel are those that ran, and not those of this checkout.
    (installed,) = (github_job.scratch / "blocks-cli").glob("lib/python3*/site-packages/blocks/__init__.py")
    assert f'"{VERSION}"' in installed.read_text(encoding="utf-8")

    hostile = "$(touch broken); `touch broken`"
    issue = {"number": 1, "title": "x", "labels": [{"name": "other"}]}
    github_job.set_event("GITHUB_EVENT_PATH", {"issue": issue})
    done = run_action(github_job, given | {"command": "run", "label": hostile, "propose": "false"}, first=1)
    assert done.returncode == 0, done.stderr
    assert f"Nothing to run: no issue labelled '{hostile}'" in done.stdout
    assert not (github_job.work / "broken").exists()
    assert run_action(github_job, given | {"command": "destroy"}, first=1).returncode == 2


@pytest.mark.parametrize(
    ("digest", "words"),
    [("0" * 64, "DO NOT MATCH THE HASHES"), ("", "is not a SHA-256"), ("x", "is not a SHA-256")],
)
def test_a_wheel_with_another_hash_is_not_installed(github_job, wheel_server, digest, words):
    url, _ = wheel_server
    given = {"command": "verify", "url": url, "cli-version": VERSION, "cli-sha256": digest}
    done = run_action(github_job, given)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert not (github_job.scratch / "blocks-cli/bin/blocks").exists()


def test_no_script_of_the_action_holds_a_value():
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    scripts = [step["run"] for step in action["runs"]["steps"]]
    assert [script for script in scripts if "${{" in script] == []
    assert all(step["shell"] == "bash" for step in action["runs"]["steps"])


def read_template(given: dict[str, str]) -> dict[str, Any]:
    """The jobs of the template, with its inputs in place as GitLab puts them."""
    head, jobs = TEMPLATE.read_text(encoding="utf-8").split("\n---\n")
    inputs = yaml.safe_load(head)["spec"]["inputs"]
    values = {name: facts.get("default") for name, facts in inputs.items()} | given
    assert values.keys() == inputs.keys()
    assert all(value is not None for value in values.values())
    found: dict[str, Any] = yaml.safe_load(
        re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda one: str(values[one[1]]), jobs)
    )
    return found


def run_gitlab_job(job, template: dict[str, Any], name: str) -> subprocess.CompletedProcess[str]:
    base, own = template[template[name]["extends"]], template[name]
    given = base["variables"] | own.get("variables", {}) | {"CI_BUILDS_DIR": job.scratch}
    values = {name: str(value) for name, value in given.items()}
    script = "\n".join([*base["before_script"], *own["script"]])
    return run_script(job, script, values, ["bash", "-eo", "pipefail"])


def test_the_template_checks_the_catalog_and_runs_the_requests_of_a_push(
    gitlab_job, wheel_server, catalog, work
):
    url, digest = wheel_server
    template = read_template({"url": url, "cli-version": VERSION, "cli-sha256": digest})
    done = run_gitlab_job(gitlab_job, template, "blocks-verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds  compliance/ratio" in done.stdout
    before = git(work, "rev-parse", "HEAD")
    commit_files(work, {"notes.md": "# Not a request\n"})
    gitlab_job.values["CI_COMMIT_BEFORE_SHA"] = before
    done = run_gitlab_job(gitlab_job, template, "blocks-run")
    assert done.returncode == 0, done.stderr
    assert "no change in requests/**/*.md" in done.stdout


def test_identity_tokens_are_made_for_the_service_alone():
    job = read_template({"url": "https://blocks.example.com", "cli-version": "1", "cli-sha256": "x"})[
        "blocks-run"
    ]
    assert {one["aud"] for one in job["id_tokens"].values()} == {"https://blocks.example.com"}
    assert next(iter(job["id_tokens"])) == "BLOCKS_ID_TOKEN"


def list_guide_jobs() -> list[dict[str, Any]]:
    """The YAML of the guide, each block parsed."""
    guide = (ROOT / "docs/how-to/run-in-ci.md").read_text(encoding="utf-8")
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", guide, re.S)]


def test_the_workflows_of_the_guide_give_the_action_what_it_takes():
    inputs = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    required = {name for name, facts in inputs.items() if facts.get("required")}
    jobs = [job for found in list_guide_jobs() for job in found.get("jobs", {}).values()]
    given = [step["with"] for job in jobs for step in job["steps"] if "deploy/ci/github" in step["uses"]]
    assert [one["command"] for one in given] == ["run", "verify"]
    for one in given:
        assert required <= one.keys() <= inputs.keys()
    assert jobs[0]["permissions"] == {
        "id-token": "write",
        "contents": "write",
        "pull-requests": "write",
        "issues": "write",
    }
    assert jobs[1]["permissions"] == {"contents": "read", "issues": "write"}


def test_the_include_of_the_guide_gives_the_template_what_it_takes():
    head = TEMPLATE.read_text(encoding="utf-8").split("\n---\n")[0]
    inputs = yaml.safe_load(head)["spec"]["inputs"]
    (include,) = [found["include"][0] for found in list_guide_jobs() if "include" in found]
    required = {name for name, facts in inputs.items() if "default" not in facts}
    assert required <= include["inputs"].keys() <= inputs.keys()
    assert (ROOT / include["file"]).is_file()
