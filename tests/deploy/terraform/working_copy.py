"""A copy of ``deploy/``, in which the real Terraform plans and applies ``deploy/terraform``."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dev.tool_environments import ROOT
from tests.deploy.terraform.providers import OfficialProvider, attach_stand_ins, choose_providers

DEPLOY = ROOT / "deploy"
_LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'


class NotAtHand(Exception):
    """Terraform, or the framework of the stand-ins, is not on this machine."""


@dataclass(frozen=True)
class WorkingCopy:
    """``place`` is its deploy/terraform; ``far`` has a file for each stand-in, with what it has made."""

    place: Path
    far: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run Terraform; what it prints is in ``stdout``, errors too."""
        return subprocess.run(
            ["terraform", *words, "-no-color"],
            cwd=self.place,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def require(self, *words: str) -> str:
        """What Terraform prints; AssertionError where it fails."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def read_far(self, provider: str) -> dict[str, dict[str, Any]]:
        """What a stand-in has made, by type and id."""
        found: dict[str, dict[str, Any]] = json.loads((self.far / f"{provider}.json").read_text("utf-8"))
        return found

    def write_far(self, provider: str, objects: dict[str, dict[str, Any]]) -> None:
        """Change what a stand-in has made, behind Terraform's back."""
        (self.far / f"{provider}.json").write_text(json.dumps(objects), encoding="utf-8")


@contextmanager
def open_copy(folder: Path, official: Mapping[str, OfficialProvider] | None = None) -> Iterator[WorkingCopy]:
    """A copy below ``folder``, with its modules installed, a state of its own and the values of the tests."""
    if shutil.which("terraform") is None:
        raise NotAtHand("terraform is not on this machine")
    ignore = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "terraform.tfstate*")
    place = shutil.copytree(DEPLOY, folder / "deploy", ignore=ignore) / "terraform"
    shutil.copy(place / "tests" / "terraform.tfvars", place)
    (place / "backend_override.tf").write_text(_LOCAL_STATE, encoding="utf-8")
    far = folder / "far"
    far.mkdir(parents=True)
    with attach_stand_ins(far) as attached:
        if attached is None:
            raise NotAtHand("the environment of requirements-terraform.txt cannot be installed here")
        environment = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        environment |= choose_providers(attached, {}, far / "terraform.rc")
        copy = WorkingCopy(place, far, environment)
        copy.require("init")
        # Not before: `init` would look for an official provider in the registry.
        environment |= choose_providers(attached, official or {}, far / "terraform.rc")
        yield copy
