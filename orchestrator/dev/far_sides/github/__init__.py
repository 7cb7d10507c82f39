"""GitHub on this machine: repositories with git behind them, pull requests, secrets, variables, apps.

Held to GitHub's own OpenAPI description in each request and each answer (``github_api.json``, made by
``read_github_api``), and stricter than the real one: a field, a parameter or a header that GitHub would
ignore is refused. What a token may not see is not there (404), as at GitHub.

``service`` is what answers, ``state`` what is kept; each resource has a module, with its operations.
"""

from orchestrator.dev.far_sides.github.pulls import write_comment
from orchestrator.dev.far_sides.github.service import LocalGitHub
from orchestrator.dev.far_sides.github.state import ACTIONS, EVERYTHING, GitHubRepository

__all__ = ["ACTIONS", "EVERYTHING", "GitHubRepository", "LocalGitHub", "write_comment"]
