"""The command `terraform`: with a bare environment, within a time, and never longer than its worker lives."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from onboarding.step_protocol import FarSideTrouble
from orchestrator import child_processes
from orchestrator.core.errors import FixedBy, OrchestratorError

MOST_SECONDS: Final = 600.0
_RENEW_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
_MOST_OUTPUT: Final = 256 * 1024
# What one needs to reach other servers. No variable with a secret of the product is among them.
_PASSED: Final = ("PATH", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
# What providers say where a credential does not hold. Waiting does not cure that.
_DENIED: Final = ("401", "403", "unauthorized", "forbidden", "invalid api key", "no token", "no access")


class TerraformMissing(OrchestratorError):
    """Terraform is not on this machine. Nothing was made by this step."""

    code = "onboarding:terraform-missing"
    cure = (
        "An operator installs Terraform 1.9 or newer where the process `onboarding` runs, or sets "
        "TERRAFORM_BIN; then retry."
    )
    fixed_by = FixedBy.OPERATOR
    http_status = 503


class TerraformRefused(OrchestratorError):
    """A service did not accept the credential that Terraform uses, or Terraform the configuration."""

    code = "onboarding:terraform-refused"
    cure = (
        "An operator looks at PAGERDUTY_API_TOKEN, GRAFANA_TOKEN, and the folder and the escalation policy "
        "of the settings; then retry."
    )
    fixed_by = FixedBy.OPERATOR
    http_status = 503


@dataclass(frozen=True, slots=True)
class TerraformEnd:
    """How a command ended: its exit code, and what it printed."""

    code: int
    output: str


def find_terraform() -> str:
    """The path of the binary; raises ``TerraformMissing``."""
    found = shutil.which(settings.TERRAFORM_BIN or "terraform")
    if found is None:
        raise TerraformMissing
    return found


def run_terraform(
    words: Collection[str],
    folder: Path,
    renew: Callable[[], None],
    *,
    allowed: Collection[int] = (0,),
) -> TerraformEnd:
    """Run `terraform` in ``folder``; ``renew`` is called every few seconds and may raise to stop it.

    Raises ``TerraformMissing``, ``TerraformRefused``, and ``FarSideTrouble`` for any other exit code.
    """
    # A file, not a pipe: nobody has to read while it runs, and its end is bounded below.
    with tempfile.TemporaryFile() as printed:
        # It dies with this worker: two of them for one repo would race, and nobody would see the first.
        child = child_processes.start(
            [find_terraform(), *words],
            death_signal=signal.SIGKILL,
            environment=_build_environment(folder),
            output=printed,
            cwd=folder,
        )
        try:
            _wait_for(child, renew)
        finally:
            child_processes.stop(child)
        printed.seek(0)
        output = printed.read(_MOST_OUTPUT).decode("utf-8", "replace")
    end = TerraformEnd(child.returncode, output)
    if end.code not in allowed:
        raise _describe_failure(words, end)
    return end


def _wait_for(child: child_processes.ChildProcess, renew: Callable[[], None]) -> None:
    ends_at = time.monotonic() + MOST_SECONDS
    renew_at = time.monotonic() + _RENEW_SECONDS
    while child.poll() is None:
        time.sleep(_POLL_SECONDS)
        if time.monotonic() > renew_at:
            # It raises where another worker has taken over; then nothing more is made from here.
            renew()
            renew_at = time.monotonic() + _RENEW_SECONDS
        if time.monotonic() > ends_at:
            raise FarSideTrouble(f"Terraform did not end within {MOST_SECONDS:.0f} s.")


def _build_environment(folder: Path) -> dict[str, str]:
    """What the providers need, and no other secret: not the database's, not the code hosts'."""
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    environment |= {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        # By the environment and not as variables: those are written into plans and states.
        "PAGERDUTY_TOKEN": settings.PAGERDUTY_API_TOKEN,
        "GRAFANA_URL": settings.GRAFANA_URL,
        "GRAFANA_AUTH": settings.GRAFANA_TOKEN,
    }
    # Never that of the account: its mirrors and overrides are for people.
    if settings.TERRAFORM_CLI_CONFIG:
        environment["TF_CLI_CONFIG_FILE"] = settings.TERRAFORM_CLI_CONFIG
    return environment


def _describe_failure(words: Collection[str], end: TerraformEnd) -> OrchestratorError:
    # Only the first error: the others usually follow from it.
    said = find_error(end.output)
    message = f"terraform {next(iter(words))} failed: {said}"
    if any(sign in said.lower() for sign in _DENIED):
        return TerraformRefused(message)
    # In all other cases the next attempt finds what was made by its mark, and continues there.
    return FarSideTrouble(message)


def find_error(output: str) -> str:
    """The error that Terraform prints in a frame, in one line of at most 500 characters."""
    lines = [line.strip(" │╷╵\t") for line in output.splitlines()]
    start = next((place for place, line in enumerate(lines) if line.startswith("Error:")), 0)
    return " ".join(line for line in lines[start : start + 12] if line)[:500]
