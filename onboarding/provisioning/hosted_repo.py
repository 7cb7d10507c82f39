"""The repo of a request at its code host, for the steps that write to it."""

from onboarding.code_hosts.base import CodeHostRefused, HostedRepo, RepoHost, connect_host
from onboarding.step_protocol import StepContext


def open_repo(context: StepContext) -> tuple[RepoHost, HostedRepo]:
    """The code host of a request and its repo, as the check has found it; raises ``CodeHostRefused``.

    Asked again in each step: between two steps may lie days, and a repo may be renamed or archived meanwhile.
    """
    host, repo = find_hosted_repo(context)
    if repo is None:
        raise CodeHostRefused(
            f"{context.request.code_host_path} is not there any more, or does not let us see it.",
            cure="Give the orchestrator access to it again, then retry.",
        )
    return host, repo


def find_hosted_repo(context: StepContext) -> tuple[RepoHost, HostedRepo | None]:
    """The same for an undo, where a repo that is gone has nothing left to take back."""
    request = context.request
    host = connect_host(request.code_host, context.still_ours)
    path = context.outputs.get("repo_exists", {}).get("path") or request.code_host_path
    repo = host.find_repo(path)
    if repo is None:
        context.log(f"{path} is not there any more, or does not let us see it.")
    return host, repo
