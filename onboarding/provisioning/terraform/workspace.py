"""A folder in which Terraform works on one repo: our module, its variables, the state, and what is adopted.

It is private to its account, and gone afterwards: what stays is the sealed state, and the plan as evidence.

A worker that is killed leaves its folder, and the state in it has keys in clear. Each holds a lock of the
kernel on its folder, which ends with it however it ends: the next one to open a workspace on this machine
removes every folder that nobody holds.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from onboarding.provisioning.terraform.command import TerraformEnd, run_terraform
from orchestrator.core.redaction import redact_text

MODULE: Final = Path(settings.BASE_DIR) / "deploy/terraform/onboarding"
DASHBOARD: Final = Path(settings.BASE_DIR) / "deploy/grafana/dashboards/flowengine-repo.json"
_STATE: Final = "terraform.tfstate"
_PLAN: Final = "onboarding.tfplan"
_QUIET: Final = ("-no-color", "-input=false")
_CHANGES: Final = 2
_PREFIX: Final = "blocks-terraform-"
_YOUNG_SECONDS: Final = 10.0
# Attributes that open something. Terraform does not call all of them sensitive.
_SECRET_NAMES: Final = ("key", "token", "secret", "password", "auth")


@dataclass(frozen=True, slots=True)
class TerraformPlan:
    """What Terraform would do: `summary` for people and evidence, redacted; ``content`` is its own file."""

    has_changes: bool
    summary: dict[str, Any]
    content: bytes


class TerraformWorkspace:
    """The folder, and the commands that are run in it."""

    def __init__(self, folder: Path, renew: Callable[[], None]) -> None:
        self.folder, self._renew = folder, renew

    def prepare(self, variables: Mapping[str, Any], state: bytes) -> None:
        """Put everything in place, and install the providers where that is not settled by the settings."""
        # A copy: Terraform writes beside its files, and two repos must not meet there.
        for path in MODULE.glob("*.tf"):
            shutil.copy(path, self.folder)
        shutil.copy(DASHBOARD, self.folder / "dashboard.json")
        given = {**variables, "dashboard_file": str(self.folder / "dashboard.json")}
        self._write("onboarding.auto.tfvars.json", json.dumps(given).encode())
        if state:
            self._write(_STATE, state)
        # With overrides for all there is nothing to install, and `init` would ask the registry all the same.
        if not _overrides_every_provider(_read_cli_config()):
            self._run("init", *_QUIET, "-backend=false")

    def adopt(self, ids: Mapping[str, str]) -> None:
        """Have the next plan take these over in place of making them again."""
        blocks = [
            f"import {{\n  to = {address}\n  id = {json.dumps(number)}\n}}\n"
            for address, number in ids.items()
        ]
        self._write("adopted.tf", "\n".join(blocks).encode())

    def take_over(self, ids: Mapping[str, str]) -> None:
        """Write these into the state at once: a plan that destroys imports nothing."""
        for address, number in ids.items():
            self._run("import", *_QUIET, address, number)

    def plan(self, *, destroy: bool = False) -> TerraformPlan:
        """What would be done now."""
        # Both kinds are planned first, and applied from the file of the plan: nothing is decided in between.
        words = ("-destroy",) if destroy else ()
        end = self._run("plan", *_QUIET, *words, "-detailed-exitcode", f"-out={_PLAN}", allowed=(0, _CHANGES))
        shown = _find_json(self._run("show", "-json", _PLAN).output)
        content = (self.folder / _PLAN).read_bytes()
        return TerraformPlan(end.code == _CHANGES, summarise_plan(shown), content)

    def apply(self) -> str:
        """Do what was planned; the lines that say what was done, redacted."""
        end = self._run("apply", *_QUIET, _PLAN)
        lines = [line for line in end.output.splitlines() if "complete" in line.lower()]
        return redact_text("\n".join(lines))[0]

    def read_state(self) -> bytes:
        """The state as Terraform left it; empty where there is none."""
        path = self.folder / _STATE
        return path.read_bytes() if path.exists() else b""

    def _run(self, *words: str, allowed: tuple[int, ...] = (0,)) -> TerraformEnd:
        return run_terraform(words, self.folder, self._renew, allowed=allowed)

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        # Closed to others before the content is in it.
        path.touch(mode=0o600)
        path.write_bytes(content)


@contextmanager
def open_workspace(renew: Callable[[], None]) -> Iterator[TerraformWorkspace]:
    """A new folder with mode 0700; ``renew`` is called while Terraform runs."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, _hold_folder(Path(folder)):
        remove_abandoned_folders()
        yield TerraformWorkspace(Path(folder), renew)


@contextmanager
def _hold_folder(folder: Path) -> Iterator[None]:
    # Not inherited by Terraform: Python closes it in every child.
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def remove_abandoned_folders() -> int:
    """Remove the folders of workers that were killed; how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            # A moment passes between the making of a folder and its lock.
            if time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:
                continue
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            # Gone meanwhile, or another account's.
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
        except BlockingIOError:
            # Its worker lives.
            pass
        finally:
            os.close(held)
    return removed


def list_addresses(state: bytes) -> set[str]:
    """The resources that a state knows."""
    if not state:
        return set()
    # The format of states, version 4.
    resources = json.loads(state).get("resources", [])
    return {
        f"{one['type']}.{one['name']}"
        for one in resources
        if one.get("mode") == "managed" and one.get("instances")
    }


def summarise_plan(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Of `terraform show -json` what people and auditors read, without any value that opens something."""
    changes = []
    for one in shown.get("resource_changes", []):
        change = one["change"]
        # Data that is only read changes nothing.
        if change["actions"] == ["read"]:
            continue
        changes.append(
            {
                "address": one["address"],
                "actions": change["actions"],
                "adopted": change.get("importing", {}).get("id", ""),
                "before": _hide_secrets(change.get("before")),
                "after": _hide_secrets(change.get("after")),
            }
        )
    return {"terraform_version": shown.get("terraform_version", ""), "resource_changes": changes}


def _find_json(output: str) -> dict[str, Any]:
    # Warnings may come before and after it; the JSON is one line.
    for line in output.splitlines():
        if line.startswith("{"):
            return dict(json.loads(line))
    return {}


def _hide_secrets(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    shown = {}
    for name, value in values.items():
        # By parts of the name: integration_key, auth_token.
        is_secret = any(part in _SECRET_NAMES for part in name.split("_"))
        if is_secret and value is not None:
            shown[name] = "[REDACTED]"
        elif isinstance(value, str):
            shown[name] = redact_text(value)[0]
        else:
            shown[name] = value
    return shown


def _overrides_every_provider(config: str) -> bool:
    sources = re.findall(r'source\s*=\s*"([^"]+)"', (MODULE / "versions.tf").read_text(encoding="utf-8"))
    return "dev_overrides" in config and all(f'"{source}"' in config for source in sources)


def _read_cli_config() -> str:
    if not settings.TERRAFORM_CLI_CONFIG:
        return ""
    return Path(settings.TERRAFORM_CLI_CONFIG).read_text(encoding="utf-8")
