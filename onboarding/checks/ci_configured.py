"""The repo has a CI in which the jobs of blocks can run."""

from typing import Final

import yaml

from onboarding.code_hosts.base import CodeHostRefused, HostedRepo, RepoHost, connect_host
from onboarding.step_protocol import OnboardingCheck, Passed, Refused, StepAnswer, StepContext

WORKFLOWS: Final = ".github/workflows"
GITLAB_FILE: Final = ".gitlab-ci.yml"
_OF_HOST: Final = {"github": "github_actions", "gitlab": "gitlab_ci"}


class CiConfigured:
    """Looks for workflows of GitHub Actions, or for the file of GitLab CI. They are read and not run."""

    name = "ci_configured"
    title = "CI is configured"

    def run(self, context: StepContext) -> StepAnswer:
        """The files that were found, or what is missing."""
        request = context.request
        wanted = _OF_HOST.get(request.code_host)
        # Each host runs its own CI here; the credential of CI is kept where the repo is.
        if request.ci_system != wanted:
            return Refused(
                f"The repo is at {request.code_host}, and its CI is said to be {request.ci_system}.",
                f"Cancel this request, and ask again with {wanted} as CI system.",
            )
        try:
            host = connect_host(request.code_host)
            repo = host.find_repo(context.outputs["repo_exists"]["path"])
            if repo is None:
                return Refused("The repo is not there any more.", "Retry from the start: ask again.")
            if request.code_host == "github":
                return _look_at_workflows(host, repo)
            return _look_at_gitlab_file(host, repo)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)


def _look_at_workflows(host: RepoHost, repo: HostedRepo) -> StepAnswer:
    names = [name for name in host.list_folder(repo, WORKFLOWS) if name.endswith((".yml", ".yaml"))]
    if not names:
        return Refused(
            f"{repo.path} has no workflow in {WORKFLOWS} on {repo.default_branch}.",
            "Add one that runs the tests of the repo, push it to the default branch, then retry.",
        )
    # One workflow that can be read is enough: others may be drafts.
    readable = []
    problem = ""
    for name in names:
        problem_here = _find_problem(host.read_file(repo, f"{WORKFLOWS}/{name}"))
        problem = problem or (problem_here and f"{WORKFLOWS}/{name} {problem_here}")
        if not problem_here:
            readable.append(name)
    if not readable:
        return Refused(f"No workflow can be read: {problem}.", "Correct it, then retry.")
    return Passed({"files": [f"{WORKFLOWS}/{name}" for name in readable]})


def _look_at_gitlab_file(host: RepoHost, repo: HostedRepo) -> StepAnswer:
    content = host.read_file(repo, GITLAB_FILE)
    if content is None:
        return Refused(
            f"{repo.path} has no {GITLAB_FILE} on {repo.default_branch}.",
            "Add one that runs the tests of the project, push it to the default branch, then retry.",
        )
    problem = _find_problem(content)
    if problem:
        return Refused(f"{GITLAB_FILE} {problem}.", "Correct it (GitLab's CI lint shows where), then retry.")
    return Passed({"files": [GITLAB_FILE]})


def _find_problem(content: bytes | None) -> str:
    """What is wrong with a file of a CI, in words; empty where it can be read."""
    if content is None:
        return "is missing or too large"
    try:
        # Nodes only: GitLab has tags of its own, nothing is built from them, and aliases are not expanded.
        root = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        # Only some errors know their place.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        return f"is not YAML{where}"
    if not isinstance(root, yaml.MappingNode) or not root.value:
        return "has no jobs"
    return ""


CHECK: OnboardingCheck = CiConfigured()
