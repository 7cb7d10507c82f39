"""Every command of ``docs/operate``: what it names is there, and what can be run here is run."""

import re
import shlex
import textwrap
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError

from orchestrator.dev import release
from tests.deploy import manifests

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("docs/operate/*.md"))
PRODUCTION = manifests.build_overlay("production")
# Commands of a cluster that name no object of the manifests.
NODES = {"drain", "uncordon", "create", "config"}
APPS = {"migrate": "django.core", "doctor": "orchestrator.ops.doctor"}
# What changes nothing, and needs no more than the database of a test.
HARMLESS = {"migrate --check", "audit_quota", "signing_key --public", "audit_evidence"}


def list_commands(program: str) -> list[str]:
    """The commands of all pages that begin with ``program``, each on one line."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            # In a numbered list it is indented.
            joined = textwrap.dedent(block).replace("\\\n", " ")
            found += re.findall(rf"^{program} .*$", joined, re.M)
    return sorted(set(found))


def find_names(kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in PRODUCTION if one["kind"] == kind}


@pytest.mark.parametrize("command", list_commands("kubectl"))
def test_a_command_at_the_cluster_names_what_is_there(command):
    words = shlex.split(command, comments=True)
    if "-k" in words:
        assert (ROOT / words[words.index("-k") + 1] / "kustomization.yaml").exists()
        return
    kinds = {"deployment": find_names("Deployment"), "job": find_names("Job"), "secret": None}
    named = [word.split("/", 1) for word in words if re.fullmatch(r"(deployment|job)/[\w-]+", word)]
    for kind, name in named:
        assert name in kinds[kind], f"{name} is no {kind} of the manifests"
    if "-l" in words:
        label, value = words[words.index("-l") + 1].split("=")
        deployments = [one for one in PRODUCTION if one["kind"] == "Deployment"]
        assert {one["metadata"]["labels"].get(label) for one in deployments} == {value}
        return
    assert named or words[1] in {"get", "delete", *NODES}
    if words[1] not in {"drain", "uncordon", "config"} and "-n" in words:
        assert words[words.index("-n") + 1] == "production"
    if words[1:4] == ["create", "secret", "generic"]:
        asked = {
            reference
            for _, container in manifests.list_workloads(PRODUCTION)
            for reference in manifests.read_secrets(container).values()
        }
        keys = {word.removeprefix("--from-file=") for word in words if word.startswith("--from-file=")}
        assert keys == {key for name, key in asked if name == words[4]}


def list_manage_commands() -> list[str]:
    typed = [one.split("python manage.py ", 1)[1] for one in list_commands("kubectl") if "manage.py" in one]
    return sorted(set(typed))


@pytest.mark.parametrize("typed", list_manage_commands())
def test_a_command_of_the_product_takes_what_is_typed(typed, db):
    name, *words = shlex.split(typed, comments=True)
    if typed in HARMLESS:
        call_command(name, *words, stdout=StringIO(), stderr=StringIO())
        return
    from django.core.management import get_commands  # noqa: PLC0415 - Django's registry, filled by now

    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    try:
        parser.parse_args(words)
    except (CommandError, SystemExit) as error:
        raise AssertionError(f"{typed}: {error}") from error


def test_the_pod_of_a_command_holds_what_the_command_needs():
    # The signing key is in one process alone, and the evidence log is read where the store is.
    for one in list_commands("kubectl"):
        if "signing_key" in one or "audit_evidence" in one:
            assert "deployment/worker-control" in one
        if "doctor" in one:
            assert "deployment/worker-gates" in one


@pytest.mark.parametrize("command", list_commands("make"))
def test_a_target_of_make_exists(command):
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_a_receiver_is_told_what_the_release_prints():
    assert list_commands("openssl") == [release.VERIFY]
