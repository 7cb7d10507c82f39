"""`.blocks/` and the CI job, in one pull or merge request. What the repo has already stays as it is."""

from typing import Final

from django.conf import settings

from blocks.format import repo_files
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from onboarding.code_hosts.base import CodeHostRefused, FileProposal, HostedRepo, ProposalState, RepoHost
from onboarding.provisioning import ci_jobs
from onboarding.provisioning.hosted_repo import find_hosted_repo, open_repo
from onboarding.step_protocol import Passed, ProvisioningStep, Refused, StepAnswer, StepContext
from orchestrator.core.cli_wheel import pack_wheel

BRANCH: Final = "blocks/onboarding"
_TITLE: Final = "Add .blocks and the jobs of blocks"
_BODY: Final = """\
This prepares the repo for verified blocks. It was made by the onboarding {reference}.

- `.blocks/config.yml`, `.blocks/catalog/` and `.blocks/schemas/` are what `blocks init` makes.
- The CI jobs run requests as flows and check the evidence of every block.
{more}
Read it, change what you like, and merge it. Flows can be started before that, too."""
_BY_HAND: Final = """\
- `.gitlab-ci.yml` includes files already. Add `- local: .blocks/gitlab-ci.yml` to its list yourself.
"""


class BlocksFiles:
    """Proposes what is missing; nothing is pushed to the default branch."""

    name = "blocks_files"
    title = ".blocks and the CI job are proposed"

    def run(self, context: StepContext) -> StepAnswer:
        """The pull or merge request."""
        if not settings.PUBLIC_URL:
            return Refused(
                "The address of this orchestrator is not known, so the CI job could not reach it.",
                "An operator sets PUBLIC_URL; then retry.",
            )
        try:
            host, hosted = open_repo(context)
            proposal = _build_proposal(context, host, hosted)
            # Onboarded before, or prepared by hand.
            if not proposal.files:
                context.log("The repo has all files already.")
                return Passed({"url": "", "files": []})
            made = host.propose_files(hosted, proposal)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)
        context.log(f"{made.url} has {len(proposal.files)} files.")
        return Passed(
            {"url": made.url, "number": made.number, "branch": BRANCH, "files": sorted(proposal.files)}
        )

    def undo(self, context: StepContext) -> StepAnswer:
        """Close what is open. What people have merged is theirs, and stays."""
        try:
            host, hosted = find_hosted_repo(context)
            # A repo that is gone took its branches along.
            if hosted is None:
                return Passed({})
            state = host.withdraw_proposal(hosted, BRANCH, context.request.reference)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)
        if state == ProposalState.MERGED:
            context.log("The files were merged: delete .blocks and the CI job yourself where you want to.")
        return Passed({"state": state or ""})


def _build_proposal(context: StepContext, host: RepoHost, hosted: HostedRepo) -> FileProposal:
    request = context.request
    wanted = _list_blocks_files(request.repo_name)
    facts = _describe_jobs(context, hosted)
    replaced: dict[str, bytes] = {}
    more = ""
    if request.code_host == "github":
        wanted |= ci_jobs.build_github_jobs(facts)
    else:
        wanted |= ci_jobs.build_gitlab_jobs(facts)
        there = host.read_file(hosted, ci_jobs.GITLAB_FILE)
        included = None if there is None else ci_jobs.include_gitlab_jobs(there)
        if included is None:
            more = _BY_HAND
        else:
            replaced = {ci_jobs.GITLAB_FILE: included}
    # A file that is there belongs to the repo, however it came about.
    missing = {path: content for path, content in wanted.items() if host.read_file(hosted, path) is None}
    # Our jobs are there already, so their owner has decided where they are included.
    if ci_jobs.GITLAB_JOBS not in missing:
        replaced = {}
    return FileProposal(
        branch=BRANCH,
        title=_TITLE,
        body=_BODY.format(reference=request.reference, more=more),
        reference=request.reference,
        files=missing | replaced,
        replaces=frozenset(replaced),
    )


def _list_blocks_files(repo_name: str) -> dict[str, bytes]:
    # git keeps no empty folder.
    keeps = {f"{BLOCKS_FOLDER}/{folder}/{repo_files.KEEP_FILE}": b"" for folder in repo_files.KEPT_FOLDERS}
    attributes = b"".join(line + b"\n" for line in repo_files.ATTRIBUTES)
    config = repo_files.build_config(repo_name, settings.PUBLIC_URL)
    return {CONFIG: config, repo_files.ATTRIBUTES_FILE: attributes, **keeps}


def _describe_jobs(context: StepContext, hosted: HostedRepo) -> ci_jobs.JobFacts:
    wheel = pack_wheel()
    return ci_jobs.JobFacts(
        url=settings.PUBLIC_URL,
        cli_version=wheel.version,
        cli_sha256=wheel.sha256,
        default_branch=hosted.default_branch,
        is_keyless=context.request.ci_credentials == "keyless",
    )


STEP: ProvisioningStep = BlocksFiles()
