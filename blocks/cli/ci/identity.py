"""Who a job is: its platform's identity token, exchanged for a token of the service that lasts 15 minutes.

Nothing is stored in the settings of the repo. Neither token is printed or given to another process, and the
identity token goes to the address that the job's own settings name, never to one from a file of the repo.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.cli import workspace
from blocks.cli.ci.http import Session
from blocks.cli.ci.job import CiJob, Platform
from blocks.cli.client import Client
from blocks.cli.credentials import require_safe_address
from blocks.cli.errors import Exit, Failure

# A third of its life is left then, enough for any single command.
_RENEW_SECONDS = 600.0
# GitLab makes identity tokens before the job starts, and each is exchanged once: its template asks for four.
_GITLAB_NAMES = ("BLOCKS_ID_TOKEN", "BLOCKS_ID_TOKEN_2", "BLOCKS_ID_TOKEN_3", "BLOCKS_ID_TOKEN_4")


@dataclass(slots=True)
class Identity:
    """The job at one service, for one repo. ``audience`` is what the service expects to be named as."""

    job: CiJob
    repo: str
    audience: str
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _token: str = field(default="", repr=False)
    _exchanged_at: float = 0.0
    _exchanges: int = 0

    def connect(self) -> Client:
        """A client whose token is good for five minutes at least."""
        here = workspace.find_workspace()
        if here.url_is_checked_out:
            raise _refuse(
                f"Only a file of the repo names the service: {here.url}.",
                "Set BLOCKS_API_URL in the job; an identity token is not sent where a checkout says.",
                "auth:unbound-token",
            )
        require_safe_address(here.url)
        if given := self.environment.get("BLOCKS_TOKEN"):
            return Client(here.url, given)
        if not self._token or time.monotonic() - self._exchanged_at > _RENEW_SECONDS:
            self._exchanged_at = time.monotonic()
            self._token = self._exchange(here.url)
        return Client(here.url, self._token)

    def _exchange(self, url: str) -> str:
        shown = self._fetch_identity_token(url)
        with Client(url, None) as client:
            found = client.post("tokens/exchange/", {"oidc_token": shown, "repo": self.repo})
        return str(found["secret"])

    def _fetch_identity_token(self, url: str) -> str:
        if self.job.platform is Platform.GITLAB:
            return self._take_identity_token()
        address = self.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
        bearer = self.environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        if not address or not bearer:
            raise _refuse(
                "The job may not ask for an identity token.",
                "Add `permissions: {id-token: write}` to the job. A pull request from a fork never may.",
                "ci:no-identity",
            )
        with Session(address, bearer) as session:
            answer: Any = session.get("", {"audience": self.audience or url})
        return str(answer["value"])

    def _take_identity_token(self) -> str:
        names = _GITLAB_NAMES[self._exchanges :]
        self._exchanges += 1
        for name in names[:1]:
            if token := self.environment.get(name):
                return token
        raise _refuse(
            "The job has no identity token left."
            if self._exchanges > 1
            else "The job has no identity token.",
            "Add `id_tokens: {BLOCKS_ID_TOKEN: {aud: ...}}` to the job. Each lasts for ten minutes, so add "
            "BLOCKS_ID_TOKEN_2 to BLOCKS_ID_TOKEN_4 for longer waits.",
            "ci:no-identity",
        )


def _refuse(message: str, cure: str, code: str) -> Failure:
    return Failure(message, cure=cure, code=code, exit_code=Exit.NOT_ALLOWED)
