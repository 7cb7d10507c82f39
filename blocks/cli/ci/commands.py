"""`blocks ci`: what a job of GitHub Actions or GitLab CI runs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.cli import lazy_commands, output, workspace
from blocks.cli.errors import Exit, Failure

if TYPE_CHECKING:
    from blocks.cli.ci import (
        catalog_check,
        code_host,
        flow_requests,
        flow_run,
        github,
        gitlab,
        identity,
        job,
        platform_files,
        wording,
        work_branch,
    )
else:
    # They bring libraries for HTTP, tables and cryptography, which help does not need.
    (
        catalog_check, code_host, flow_requests, flow_run, github, gitlab, identity, job, platform_files,
        wording, work_branch,
    ) = (
        lazy_commands.import_lazily(f"blocks.cli.ci.{name}")
        for name in (
            "catalog_check", "code_host", "flow_requests", "flow_run", "github", "gitlab", "identity", "job",
            "platform_files", "wording", "work_branch",
        )
    )  # fmt: skip

_HELP = "In a job of GitHub Actions or GitLab CI: run flows, propose their blocks, check all evidence."
_VERIFY_MARKER = "blocks-verify"
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=_HELP)


@app.callback(help=_HELP)
def ci() -> None:
    """What a job runs."""


@app.command()
def run(
    files: Annotated[
        list[Path] | None,
        typer.Option("--request", help="A request file to run; those that the event names by default."),
    ] = None,
    label: Annotated[str, typer.Option(help="An issue with this label is a request.")] = "blocks",
    pattern: Annotated[
        str, typer.Option("--requests", help="Changed files that match are requests.")
    ] = "requests/**/*.md",
    propose: Annotated[
        bool, typer.Option("--propose/--no-propose", help="Open a pull or merge request with the block.")
    ] = True,
    audience: Annotated[
        str, typer.Option(help="Whom an identity token is made for; the address of the service by default.")
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=1, help="Stop waiting after so many seconds; the flow continues.")
    ] = 3000.0,
) -> None:
    """Run the requests of the event that started the job, tell who asked, and propose the blocks.

    Exits 0 when every flow passed or there is none to run, 1 when one failed, 8 while one still runs.
    """
    found, here = job.read_job(), workspace.find_workspace()
    repository = work_branch.Repository(here.root, found)
    if files:
        requests = [flow_requests.read_request_file(found, here.root, path) for path in files]
    else:
        requests = flow_requests.find_requests(found, repository, label, pattern)
    if not requests:
        return output.print_line(f"Nothing to run: no issue labelled {label!r}, and no change in {pattern}.")
    repo = _need_repo(here)
    who = identity.Identity(found, repo, audience)
    with _open_host(found) as host:
        runner = flow_run.FlowRunner(found, repository, repo, who, host, propose=propose, timeout=timeout)
        ends = [runner.run(request) for request in requests]
    for end in ends:
        url = end.proposal.url if end.proposal else None
        platform_files.add_summary(
            wording.describe_result(end.request, end.flow, end.gates, url, found.run_url)
        )
        output.print_line(f"FLOW {end.flow['status'].upper()} {end.flow['id']}{f'  {url}' if url else ''}")
    last = ends[-1]
    platform_files.set_outputs(
        {
            "flow": last.flow["id"],
            "status": last.flow["status"],
            "proposal": last.proposal.url if last.proposal else "",
        }
    )
    if any(end.flow["status"] != "passed" for end in ends):
        raise typer.Exit(Exit.FAILED)
    return None


@app.command()
def verify(
    comment: Annotated[
        bool, typer.Option("--comment/--no-comment", help="Say the result at the pull or merge request.")
    ] = True,
) -> None:
    """Check the evidence of every block of the catalog, without the service. Exits 0 when all of it holds.

    In a pull or merge request, the keys of the target branch decide.
    """
    found, here = job.read_job(), workspace.find_workspace()
    repository = work_branch.Repository(here.root, found)
    base = repository.fetch_head(found.target) if found.target else ""
    report = catalog_check.check_catalog(repository, _need_repo(here), base=base)
    for one in report.checked:
        output.print_line(f"{'holds' if one.ok else 'WRONG'}  {one.name}  {one.finding}")
        if not one.ok:
            platform_files.annotate_error(f".blocks/catalog/{one.name}/manifest.json", one.finding)
    for note in report.notes:
        output.print_line(f"NOTE   {note}")
    output.print_line(f"{len(report.checked)} blocks checked by the keys of {report.keys_from}.")
    text = wording.describe_catalog(report)
    platform_files.add_summary(text)
    if comment and found.proposal is not None and (report.checked or report.notes):
        subject = code_host.CommentSubject(code_host.SubjectKind.PROPOSAL, found.proposal)
        try:
            with _open_host(found) as host:
                if host is not None:
                    code_host.keep_comment(host, subject, _VERIFY_MARKER, text)
        except Failure as refused:
            # The job of a fork may not comment. What it has found counts all the same.
            output.print_warning(f"Nothing was said at the request: {refused.message}")
    if not report.ok:
        raise typer.Exit(Exit.FAILED)


def _need_repo(here: workspace.Workspace) -> str:
    # The name in the evidence, and the one that a token is bound to: in a job nobody corrects a guess.
    if here.repo:
        return here.repo
    raise Failure(
        "No repo is named.", cure="Commit .blocks/config.yml, which `blocks init` makes.", code="cli:no-repo"
    )


@contextlib.contextmanager
def _open_host(found: "job.CiJob") -> "Iterator[code_host.CodeHost | None]":
    """The platform of the job; ``None`` where the job has no token for it, which a warning says."""
    if not found.token:
        name = "GITHUB_TOKEN" if found.platform is job.Platform.GITHUB else "GITLAB_TOKEN"
        output.print_warning(f"{name} is not set, so nothing is commented on and nothing is proposed.")
        yield None
    elif found.platform is job.Platform.GITHUB:
        with github.open_session(found.api_url, found.token) as session:
            yield github.GitHub(session, found.project)
    else:
        with gitlab.open_session(found.api_url, found.token) as session:
            yield gitlab.GitLab(session, found.project)
