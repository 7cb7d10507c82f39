"""Read access to a private repo, for the clone alone: of a GitHub App, or by a deploy token of GitLab.

What opens the repo is sealed in the database, and only the clone opens it. A token of GitHub's App lasts an
hour; ``renewal`` replaces it while the repo is onboarded, so that no other process needs the App's key.
"""

from django.core.exceptions import ValidationError

from onboarding.code_hosts.base import CodeHostRefused, HostedRepo, RepoHost
from onboarding.code_hosts.github import GitHubHost
from onboarding.code_hosts.gitlab import GitLabHost
from onboarding.provisioning.hosted_repo import find_hosted_repo, open_repo
from onboarding.step_protocol import Passed, ProvisioningStep, Refused, StepAnswer, StepContext
from orchestrator.repos.clone_credentials import CloneCredential
from orchestrator.repos.clone_urls import validate_clone_url
from orchestrator.repos.models import Repo
from orchestrator.repos.read_access import MadeAccess, forget_access, keep_access


class ReadAccessStep:
    """Makes the access where the request asks for it."""

    name = "read_access"
    title = "The repo can be cloned"

    def run(self, context: StepContext) -> StepAnswer:
        """A credential of this repo, kept for its clones."""
        request = context.request
        if not request.clones_privately:
            return Passed({"kind": "none"})
        repo = Repo.objects.get(name=request.repo_name)
        try:
            host, hosted = open_repo(context)
            url = repo.clone_url or hosted.clone_url
            # The host has named it, and hosts are not trusted with addresses inside our network.
            validate_clone_url(url)
            number = give_access(repo, host, hosted, url, request.reference)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)
        except ValidationError as error:
            return Refused(
                " ".join(error.messages),
                "An operator names the host in CLONE_PRIVATE_HOSTS, or you ask again without private clones.",
            )
        # Only now: a repo with a clone URL is cloned from this moment on.
        Repo.objects.filter(pk=repo.pk).update(clone_url=url)
        context.log("A credential that reads this repo is kept for its clones.")
        return Passed({"kind": host.name, "number": number, "clone_url": url})

    def undo(self, context: StepContext) -> StepAnswer:
        """Forget the credential, and delete the deploy tokens that carry our mark."""
        if context.request.clones_privately:
            try:
                host, hosted = find_hosted_repo(context)
                if isinstance(host, GitLabHost) and hosted is not None:
                    host.delete_deploy_tokens(hosted, context.request.reference)
            except CodeHostRefused as error:
                return Refused(error.message, error.cure)
            forget_access(context.request.repo_name)
        return Passed({})


def give_access(repo: Repo, host: RepoHost, hosted: HostedRepo, url: str, reference: str) -> str:
    """Make a credential, and keep it for clones of ``url``; the host's name for it.

    Raises ``CodeHostRefused``.
    """
    if isinstance(host, GitHubHost):
        made = host.mint_clone_access(hosted)
    elif isinstance(host, GitLabHost):
        made = host.make_deploy_token(hosted, reference)
    else:
        raise CodeHostRefused("This code host gives no read access.", cure="Ask without private clones.")
    credential = CloneCredential(made.username, made.secret)
    # Tokens of installations end after an hour; deploy tokens last.
    lasts_hour = isinstance(host, GitHubHost)
    keep_access(repo, MadeAccess(host.name, made.number, url, credential, lasts_hour))
    return made.number


STEP: ProvisioningStep = ReadAccessStep()
