"""How jobs of the repo prove who they are: by the CI secret BLOCKS_TOKEN, or by a trust rule and no secret.

Models' keys stay with the orchestrator. The launch runbook gives each repo's CI the keys of the vendors; a
token of the repo that can start flows and nothing else is less to lose.
"""

from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from onboarding.code_hosts.base import CodeHostRefused, build_mark
from onboarding.provisioning.hosted_repo import find_hosted_repo, open_repo
from onboarding.step_protocol import Passed, ProvisioningStep, Refused, StepAnswer, StepContext
from orchestrator.core import audit
from orchestrator.repos.models import CiTrust, Repo, Token
from orchestrator.repos.scopes import CI_SCOPES
from orchestrator.repos.tokens import create_token

SECRET: Final = "BLOCKS_TOKEN"  # noqa: S105 - the name of it
KEYLESS: Final = "keyless"
_TOKEN_NAME: Final = f"CI secret {SECRET}"


class CiCredentialsStep:
    """Makes the one or the other, and takes back what it has made."""

    name = "ci_credentials"
    title = "CI can start flows"

    def run(self, context: StepContext) -> StepAnswer:
        """A secret in the CI, or a trust rule."""
        # Registered by the step before this one.
        repo = Repo.objects.get(name=context.request.repo_name)
        if context.request.ci_credentials == KEYLESS:
            return _trust_jobs(context, repo)
        try:
            return _store_secret(context, repo)
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)

    def undo(self, context: StepContext) -> StepAnswer:
        """Delete the secret, end the token, delete the rule: each where it carries our mark."""
        request = context.request
        try:
            host, hosted = find_hosted_repo(context)
            # Also where this step never passed: the mark decides, and not what we remember.
            if hosted is not None and host.delete_secret(hosted, SECRET, request.reference):
                context.log(f"{SECRET} was deleted.")
        except CodeHostRefused as error:
            return Refused(error.message, error.cure)
        _revoke_tokens(request.reference)
        with audit.act_as(build_mark(request.reference)):
            CiTrust.objects.filter(created_by=build_mark(request.reference)).delete()
        return Passed({})


def _store_secret(context: StepContext, repo: Repo) -> StepAnswer:
    host, hosted = open_repo(context)
    reference = context.request.reference
    # Nobody has the secret of a token that an earlier attempt has made: it was in its memory only.
    _revoke_tokens(reference)
    token, secret = create_token(_TOKEN_NAME, repo, scopes=CI_SCOPES, created_by=build_mark(reference))
    # It looks before the write whether this is still ours: a second attempt may have made another token.
    host.put_secret(hosted, SECRET, secret, reference)
    context.log(f"{SECRET} is set in the CI of {hosted.path}.")
    return Passed({"kind": "secret", "name": SECRET, "token": token.pk})


def _revoke_tokens(reference: str) -> None:
    with audit.act_as(build_mark(reference)):
        ours = Token.objects.filter(created_by=build_mark(reference), name=_TOKEN_NAME, revoked_at=None)
        ours.update(revoked_at=timezone.now())


def _trust_jobs(context: StepContext, repo: Repo) -> StepAnswer:
    request = context.request
    issuers = [address for address, kind in settings.CI_OIDC_ISSUERS.items() if kind == request.code_host]
    # With two issuers of a kind nobody could say which one signs for this repo.
    if not settings.CI_OIDC_AUDIENCE or len(issuers) != 1:
        return Refused(
            f"This orchestrator exchanges no identity tokens of jobs at {request.code_host}.",
            "An operator sets CI_OIDC_AUDIENCE, and in CI_OIDC_ISSUERS one issuer of that kind; then retry.",
        )
    found = context.outputs["repo_exists"]
    mark = build_mark(request.reference)
    with transaction.atomic(), audit.act_as(mark):
        trust, _ = CiTrust.objects.get_or_create(
            repo=repo,
            issuer=issuers[0],
            repository=found["path"],
            created_by=mark,
            defaults={
                # Of the default branch only: everybody who may propose a change can write to others.
                "refs": [f"refs/heads/{found['default_branch']}"],
                "scopes": sorted(map(str, CI_SCOPES)),
                # Known already, so not even the first exchange is open to who takes over the name.
                "repository_id": found["number"],
            },
        )
    context.log(f"Jobs of {found['path']} on {found['default_branch']} are trusted.")
    return Passed({"kind": KEYLESS, "trust": trust.pk})


STEP: ProvisioningStep = CiCredentialsStep()
