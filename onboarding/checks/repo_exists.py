"""The repo is there, we may write to it, and it has something in it."""

from onboarding.code_hosts.base import CodeHostRefused, HostedRepo, connect_host
from onboarding.step_protocol import OnboardingCheck, Passed, Refused, RequestFacts, StepAnswer, StepContext

_HOSTS = {"github": "GitHub", "gitlab": "GitLab"}


class RepoExists:
    """Asks the code host. A repo that was renamed is followed to its new path."""

    name = "repo_exists"
    title = "The repo exists"

    def run(self, context: StepContext) -> StepAnswer:
        """The repo's facts as outputs, or what is in the way and who changes it."""
        request = context.request
        if not request.code_host_path:
            return Refused(
                "The request does not say where the repo is.",
                "Cancel it, and ask again with the repo's path at its code host, as owner/name.",
            )
        try:
            found = connect_host(request.code_host).find_repo(request.code_host_path)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)
        if found is None:
            return _refuse_missing(request)
        refused = _find_obstacle(found)
        if refused is not None:
            return refused
        # Both hosts ignore case, so another case is not another name.
        if found.path.lower() != request.code_host_path.lower():
            context.log(f"{request.code_host_path} is called {found.path} now; that one is used.")
        if found.is_protected:
            context.log(f"{found.default_branch} is protected: files come by a pull or merge request.")
        if found.is_private and not request.clones_privately:
            context.log("The repo is private and is not cloned: each flow brings its files.")
        return Passed(
            {
                "path": found.path,
                "number": found.number,
                "default_branch": found.default_branch,
                "web_url": found.web_url,
                "clone_url": found.clone_url,
                "is_private": found.is_private,
                "is_protected": found.is_protected,
            }
        )


def _refuse_missing(request: RequestFacts) -> Refused:
    host = _HOSTS.get(request.code_host, request.code_host)
    # A code host answers the same for both, so that strangers do not learn what is there.
    access = {
        "github": "an owner of the organisation installs the orchestrator's GitHub App on it",
        "gitlab": "a maintainer of the project gives the orchestrator's account the role Maintainer",
    }.get(request.code_host, "its owner gives the orchestrator access to it")
    return Refused(
        f"{host} has no repo {request.code_host_path}, or does not let us see it.",
        f"Check the path. If it is right and the repo is private, {access}; then retry.",
    )


def _find_obstacle(found: HostedRepo) -> Refused | None:
    # In the order in which its owner would cure them.
    if found.is_archived:
        return Refused(
            f"{found.path} is archived, so nothing can be written to it.",
            "Unarchive it in the settings of the repo, then retry.",
        )
    if found.is_empty:
        return Refused(f"{found.path} is empty.", "Push a first commit to its default branch, then retry.")
    if not found.may_write:
        return Refused(
            f"We may read {found.path} and not write to it.",
            "Give the orchestrator's GitHub App or account write access to the repo, then retry.",
        )
    return None


CHECK: OnboardingCheck = RepoExists()
