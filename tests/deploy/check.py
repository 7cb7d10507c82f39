"""``python -m tests.deploy.check`` is ``make deploy-check``: what others' tools say of ``deploy/``.

Each tool first has to refuse something that is wrong, so that one which looks at nothing is noticed. A tool
that cannot be had on this machine is named at the end, and the others still run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from orchestrator.dev.tool_environments import find_tool
from tests.deploy import budget, manifests
from tests.deploy.terraform.life import check_life
from tests.deploy.terraform.providers import find_official, list_addresses
from tests.deploy.terraform.working_copy import NotAtHand, WorkingCopy, open_copy

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCHEMAS = DEPLOY / "k8s" / "schemas"
SKIPS: dict[str, dict[str, str]] = yaml.safe_load((DEPLOY / "skips.yml").read_text(encoding="utf-8"))
_VERSIONS = 3
"""How many versions of Kubernetes the manifests are valid for: those that its makers still fix."""
_UNKNOWN = re.compile(r"Couldn't find schema for kind (\w+)")
_SPOILT = """
apiVersion: v1
kind: Pod
metadata: {name: spoilt}
spec:
  containers:
    - {name: spoilt, image: "spoilt:latest", securityContext: {privileged: true}, readinesProbe: {}}
"""


class CheckFailed(Exception):
    """A tool found something; the text says what."""


def say(line: str) -> None:
    """A line of the report, at once: a check may take a minute."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: object, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run a tool with what it needs of the environment; it asks nobody whether it is new enough."""
    environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "DO_NOT_TRACK": "1"}
    # A mirror of providers, where this machine has one.
    if not Path(environment.get("TF_CLI_CONFIG_FILE", "")).is_file():
        environment.pop("TF_CLI_CONFIG_FILE", None)
    words = list(map(str, command))
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def require(done: "subprocess.CompletedProcess[str]") -> str:
    """The output of a command that has to succeed."""
    if done.returncode != 0:
        raise CheckFailed(f"{Path(done.args[0]).name}: {done.stdout}{done.stderr}")
    return done.stdout


def check_findings(tool: str, kinds: Iterable[str], found: dict[str, str], skips: Iterable[str]) -> None:
    """Raise for a finding without a reason in ``skips.yml``, and for a reason without a finding.

    ``found`` has a text for each id; ``kinds`` are the beginnings of the ids that this run could find.
    """
    prefixes = tuple(kinds)
    expected = {one for one in skips if one.startswith(prefixes)}
    new = [f"{one}: {text}" for one, text in sorted(found.items()) if one not in expected]
    idle = [f"{one} of deploy/skips.yml finds nothing" for one in sorted(expected - set(found))]
    if new or idle:
        raise CheckFailed(f"{tool}: " + "; ".join([*new, *idle]))


def check_kustomize(kubectl: Path, folder: Path) -> None:
    """Build every overlay into ``folder``, and compare each with what the tests of the suite read."""
    for overlay in manifests.OVERLAYS:
        text = require(run(kubectl, "kustomize", manifests.K8S / "overlays" / overlay))
        (folder / f"{overlay}.yaml").write_text(text, encoding="utf-8")
        # Kustomize adds a digest to the name of what it generates.
        plain = re.sub(r"\bsettings-[a-z0-9]{10}\b", "settings", text)
        built = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(plain)}
        read = {(one["kind"], one["metadata"]["name"]): one for one in manifests.build_overlay(overlay)}
        different = [name for name in built.keys() | read.keys() if built.get(name) != read.get(name)]
        if different:
            raise CheckFailed(f"tests/deploy/manifests.py reads {overlay} otherwise: {sorted(different)}")
        say(f"  {overlay}: {budget.describe_connections(list(read.values()))}")
    for component in sorted((manifests.K8S / "components").iterdir()):
        # On its own, so that those which no overlay takes in are built too.
        text = f"resources: [../base]\ncomponents: [../components/{component.name}]\n"
        text += "kind: Kustomization\nimages: [{name: flowengine, newTag: v0.0.0}]\n"
        with tempfile.TemporaryDirectory(dir=manifests.K8S) as name:
            (Path(name) / "kustomization.yaml").write_text(text, encoding="utf-8")
            built_component = require(run(kubectl, "kustomize", name))
        (folder / f"component-{component.name}.yaml").write_text(built_component, encoding="utf-8")


def check_schemas(validate: Path, folder: Path) -> None:
    """Every object against the last versions of Kubernetes, strictly; kinds of others against our schemas."""
    listed = run(validate.with_name("python"), "-c", _LIST_VERSIONS).stdout.split()
    versions = listed[-_VERSIONS:]
    say(f"    Kubernetes {', '.join(versions)}")
    refuse_spoilt(lambda place: run(validate, "-k", versions[-1], "--strict", place), folder)
    places = sorted(folder.glob("*.yaml"))
    for version in versions:
        # All at once: most of a run is the start of the tool.
        done = run(validate, "-k", version, "--strict", *places)
        said = done.stdout + done.stderr
        unknown = {kind for kind in _UNKNOWN.findall(said) if not (SCHEMAS / f"{kind}.json").exists()}
        wrong = [
            line for line in said.splitlines() if not _UNKNOWN.search(line) and not line.startswith("INFO")
        ]
        if unknown or wrong:
            raise CheckFailed(f"Kubernetes {version}: {sorted(unknown)} {wrong}")
    for place in places:
        validate_kinds_of_others(yaml.safe_load_all(place.read_text(encoding="utf-8")))


_LIST_VERSIONS = """
import pathlib, kubernetes_validate
folder = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
names = {tuple(map(int, one.name[1:].split("-")[0].split(".")[:2])) for one in folder.glob("v*-local-strict")}
print(*(".".join(map(str, one)) for one in sorted(names)))
"""


def validate_kinds_of_others(found: Iterable[manifests.Manifest]) -> None:
    """Check the objects whose kind has a schema in ``deploy/k8s/schemas``."""
    for one in found:
        schema = SCHEMAS / f"{one['kind']}.json"
        if schema.exists():
            rules = json.loads(schema.read_text(encoding="utf-8"))
            for error in Draft202012Validator(rules).iter_errors(one):
                raise CheckFailed(
                    f"{one['kind']} {one['metadata']['name']}: {error.json_path} {error.message}"
                )


def refuse_spoilt(check: Callable[[Path], "subprocess.CompletedProcess[str]"], folder: Path) -> None:
    """Raise where a tool finds nothing wrong with a manifest that is."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name) / "spoilt.yaml"
        place.write_text(_SPOILT, encoding="utf-8")
        done = check(place)
    if done.returncode == 0:
        raise CheckFailed(f"{Path(done.args[0]).name} accepts a privileged container or an unknown field")


def check_hadolint(hadolint: Path, folder: Path) -> None:
    """The Dockerfile."""
    spoilt = folder / "Dockerfile"
    spoilt.write_text("FROM debian:latest\nRUN cd /tmp && sudo ls\n", encoding="utf-8")
    if run(hadolint, spoilt).returncode == 0:
        raise CheckFailed("hadolint accepts a base without a version")
    listed = json.loads(run(hadolint, "-f", "json", DEPLOY / "docker" / "Dockerfile").stdout)
    found = {one["code"]: f"line {one['line']}: {one['message']}" for one in listed}
    check_findings("hadolint", ["DL", "SC"], found, SKIPS["hadolint"])


def check_trivy(trivy: Path, folder: Path) -> None:
    """Manifests, Dockerfile and Terraform by the checks that trivy has in itself."""
    quiet = ("config", "--skip-check-update", "--skip-version-check", "--quiet")
    refuse_spoilt(lambda place: run(trivy, *quiet, "--exit-code", "1", place), folder)
    found: dict[str, str] = {}
    for place in (folder, DEPLOY / "docker", DEPLOY / "terraform"):
        report = json.loads(require(run(trivy, *quiet, "--format", "json", place)))
        for result in report.get("Results", ()):
            for one in result.get("Misconfigurations", ()):
                found[one["ID"]] = f"{result['Target']}: {one['Title']}"
    # The spoilt Dockerfile is among the manifests.
    check_findings("trivy", ["KSV", "AWS", "DS"], _leave_out(found, "Dockerfile: "), SKIPS["trivy"])


def _leave_out(found: dict[str, str], begin: str) -> dict[str, str]:
    return {one: text for one, text in found.items() if not text.startswith(begin)}


def check_checkov(checkov: Path, folder: Path) -> None:
    """The same files once more, by another maker's rules."""
    options = ("--quiet", "--compact", "--skip-download", "--output", "json")
    refuse_spoilt(lambda place: run(checkov, *options, "--framework", "kubernetes", "-f", place), folder)
    production = folder / "production.yaml"
    runs: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("CKV_K8S", ("--framework", "kubernetes", "-f", production)),
        ("CKV_DOCKER", ("--framework", "dockerfile", "-f", DEPLOY / "docker" / "Dockerfile")),
        ("CKV", ("--framework", "terraform", "-d", DEPLOY / "terraform")),
    )
    found: dict[str, str] = {}
    for _, arguments in runs:
        text = run(checkov, *options, *arguments).stdout
        reports = json.loads(text)
        for report in reports if isinstance(reports, list) else [reports]:
            for one in report.get("results", {}).get("failed_checks", ()):
                found[one["check_id"]] = f"{one['resource']}: {one['check_name']}"
    check_findings("checkov", ["CKV"], found, SKIPS["checkov"])


def check_terraform(terraform: Path, folder: Path) -> None:
    """Form of every file; the policies by their own tests, in a copy, because `init` writes a folder."""
    require(run(terraform, "fmt", "-check", "-recursive", "-diff", DEPLOY / "terraform"))
    copy = folder / "policies"
    shutil.copytree(DEPLOY / "terraform" / "policies", copy)
    require(run(terraform, "init", "-no-color", "-input=false", folder=copy))
    require(run(terraform, "test", "-no-color", folder=copy))
    spoilt = (copy / "main.tf").read_text(encoding="utf-8").replace("COMPLIANCE", "GOVERNANCE")
    (copy / "main.tf").write_text(spoilt, encoding="utf-8")
    if run(terraform, "test", "-no-color", folder=copy).returncode == 0:
        raise CheckFailed("the tests of the policies accept a lock that can be lifted")


def check_whole(_: Path, folder: Path) -> None:
    """The whole with stand-in providers: form, tests, life. With official ones: form and tests."""
    try:
        with open_copy(folder / "stand-ins") as copy:
            say(f"    stand-ins for {', '.join(list_addresses())}")
            check_tests_of_whole(copy)
            check_life(copy)
        official = {one: found for one in list_addresses() if (found := find_official(one))}
        for missing in sorted(set(list_addresses()) - set(official)):
            say(f"    {missing}: no official release on this machine, so nothing was asked of it")
        if official:
            with open_copy(folder / "official", official) as copy:
                say(f"    official: {', '.join(f'{one.address} {one.version}' for one in official.values())}")
                copy.require("validate")
                copy.require("test")
    except NotAtHand as error:
        say(f"    not checked: {error}")
    except AssertionError as error:
        raise CheckFailed(str(error)) from error


def check_tests_of_whole(copy: WorkingCopy) -> None:
    """Validate it and run its tests, which must notice a lock that can be lifted."""
    copy.require("validate")
    spoilt = copy.place / "spoilt.tf"
    spoilt.write_text('resource "aws_s3_bucket" "spoilt" { no_such = 1 }\n', encoding="utf-8")
    assert copy.run("validate").returncode, "terraform validate accepts an argument that does not exist"
    spoilt.unlink()
    copy.require("test")
    policies = copy.place / "policies" / "main.tf"
    text = policies.read_text(encoding="utf-8")
    policies.write_text(text.replace("COMPLIANCE", "GOVERNANCE"), encoding="utf-8")
    noticed = copy.run("test", "-filter=tests/evidence.tftest.hcl").returncode
    policies.write_text(text, encoding="utf-8")
    assert noticed, "the tests of the whole accept a lock that can be lifted"


def find_terraform() -> Path | None:
    """Terraform comes from no package registry."""
    found = shutil.which("terraform")
    return Path(found) if found else None


CHECKS: tuple[tuple[str, Callable[[], Path | None], Callable[[Path, Path], None]], ...] = (
    (
        "kubectl: every overlay and component is built",
        lambda: find_tool("deploy", "kubectl"),
        check_kustomize,
    ),
    ("kubernetes-validate: schemas", lambda: find_tool("deploy", "kubernetes-validate"), check_schemas),
    ("hadolint: the Dockerfile", lambda: find_tool("deploy", "hadolint"), check_hadolint),
    ("trivy: manifests, Dockerfile, Terraform", lambda: find_tool("deploy", "trivy"), check_trivy),
    ("checkov: the same", lambda: find_tool("checkov", "checkov"), check_checkov),
    ("terraform: form, tests of the policies", find_terraform, check_terraform),
    ("terraform: the whole, planned and applied", find_terraform, check_whole),
)


def main() -> int:
    """Every check; 1 where one found something."""
    missing, failed = [], False
    with tempfile.TemporaryDirectory() as name:
        for title, find, check in CHECKS:
            tool = find()
            if tool is None:
                missing.append(title)
                continue
            say(title)
            try:
                check(tool, Path(name))
            except CheckFailed as error:
                failed = True
                say(f"    FAILED {error}")
    for title in missing:
        say(f"not checked, because the tool is not at hand: {title}")
    say("an API server is on no package registry: not asked")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
