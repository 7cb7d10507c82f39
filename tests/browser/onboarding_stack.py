"""The whole product with every far side of onboarding on loopback."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from orchestrator.dev import embedded, stack
from orchestrator.dev.far_sides import github
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import serve
from orchestrator.dev.far_sides.slack import LocalSlack
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config
from orchestrator.dev.receivers import Receivers
from tests.web.openid_provider import Provider, serve_provider

TOKEN = "token-of-the-operators"
PAGERDUTY, GRAFANA = "u+token-of-pagerduty", "glsa_token-of-grafana"
SIGNING_SECRET = "a signing secret of the app"
WORKFLOW = {
    ".github/workflows/ci.yml": b"on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps: []\n"
}


@dataclass
class Inbox:
    """Mails that have arrived, as text."""

    mails: list[str] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Keep the mail."""
        self.mails.append(envelope.content.decode(errors="replace"))
        return "250 OK"


@dataclass
class OnboardingStack:
    """The running product, and what is around it."""

    url: str
    running: stack.Stack
    provider: Provider
    slack: LocalSlack
    code_host: github.LocalGitHub
    pagerduty: LocalPagerDuty
    grafana: LocalGrafana
    inbox: Inbox
    folder: Path
    terraform: Path
    """A link to the real one, under which the product knows it: a test can take it away."""

    def put_terraform_back(self) -> None:
        """Have the product find Terraform, where a test has taken it away."""
        if not self.terraform.is_symlink():
            self.terraform.symlink_to(str(shutil.which("terraform")))

    def add_repo(self, path: str, files: dict[str, bytes]) -> Any:
        """A repo on the code host, with these files on its default branch."""
        there = self.code_host.add_repository(path, self.folder / path.replace("/", "-"))
        if files:
            there.remote.commit_files("main", files)
        return there


@contextlib.contextmanager
def run_onboarding_stack(folder: Path) -> Iterator[OnboardingStack]:
    """As `make up`, with far sides that a test reads and changes, and the real Terraform."""
    config, real = write_cli_config(folder), shutil.which("terraform")
    if real is None or config is None:
        pytest.skip("terraform, or what its stand-ins need, is not on this machine")
    terraform = folder / "terraform"
    terraform.symlink_to(real)
    pagerduty, grafana = LocalPagerDuty(tokens={PAGERDUTY}), LocalGrafana(tokens={GRAFANA})
    ports = {name: str(embedded.find_free_port()) for name in ("PORT", "FLOWER_PORT", "EXPORTER_PORT")}
    url = f"http://127.0.0.1:{ports['PORT']}"
    inbox, code_host = Inbox(), github.LocalGitHub(tokens={TOKEN: github.EVERYTHING})
    smtp = Controller(inbox, hostname="127.0.0.1", port=embedded.find_free_port())
    with contextlib.ExitStack() as around, pytest.MonkeyPatch.context() as patch:
        # authlib, which the provider is made of, wants https elsewhere.
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        provider = around.enter_context(serve_provider())
        receivers = around.enter_context(Receivers())
        slack = receivers.received.slack
        slack.callback_url, slack.signing_secret = f"{url}/onboarding/slack/", SIGNING_SECRET
        hosted = around.enter_context(serve(code_host))
        paging, dashboards = around.enter_context(serve(pagerduty)), around.enter_context(serve(grafana))
        smtp.start()
        around.callback(smtp.stop)
        environment = {
            name: "" for name in os.environ if name.startswith(("BLOCKS_", "ENGINE_", "SIMULATOR_"))
        }
        environment |= ports | {
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "STATE_DIR": str(folder / "state"),
            "PUBLIC_URL": url,
            "OIDC_ISSUER": provider.url,
            "OIDC_CLIENT_ID": "blocks",
            "OIDC_CLIENT_SECRET": "s3cret of the client",
            "OIDC_NAME": "Example ID",
            "OIDC_EMAIL_DOMAINS": "example.org",
            "GITHUB_API_URL": hosted,
            "GITHUB_TOKEN": TOKEN,
            "TERRAFORM_CLI_CONFIG": str(config),
            "TERRAFORM_BIN": str(terraform),
            "PAGERDUTY_API_URL": paging,
            "PAGERDUTY_API_TOKEN": PAGERDUTY,
            "GRAFANA_URL": dashboards,
            "GRAFANA_TOKEN": GRAFANA,
            "CLONE_PRIVATE_HOSTS": "127.0.0.1",
            "SLACK_API_URL": f"{receivers.url}/slack/api",
            "SLACK_BOT_TOKEN": "xoxb-ours",
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}",
            "SIMULATOR_SAMPLES": "samples",
            "SIMULATOR_LATENCY_SECONDS": "0.05",
        }
        running = around.enter_context(
            stack.run_processes(
                list(stack.read_procfile()),
                state=folder / "state",
                logs=folder / "logs",
                simulator=True,
                environment=environment,
            )
        )
        services = (provider, slack, code_host, pagerduty, grafana, inbox)
        yield OnboardingStack(url, running, *services, folder, terraform)
