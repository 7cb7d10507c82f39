"""The repo of a job by git: what changed, and the branch that a block is pushed to."""

import pytest

from blocks.cli.ci.job import CiJob, Platform
from blocks.cli.ci.work_branch import Repository
from blocks.cli.errors import Failure
from tests.blocks.ci.conftest import commit_files, git

BRANCH, FOLDER = "blocks/issue-12", ".blocks/catalog/finance/iban"
FILES = {f"{FOLDER}/iban.py": b"x = 1\r\n", f"{FOLDER}/manifest.json": b"{}"}


@pytest.fixture
def repository(work) -> Repository:
    return Repository(work, CiJob(Platform.GITHUB, "", "acme/service", "main", "", "", "", "secret"))


def push(repository: Repository, files=FILES, *, on_top: bool = False) -> bool:
    return repository.push_files(BRANCH, "main", files, FOLDER, "Add block", on_top=on_top)


def test_changed_requests_are_those_that_were_added_or_changed(repository, work):
    first = commit_files(work, {"requests/old.md": "# Old\n", "requests/gone.md": "# Gone\n"})
    (work / "requests/gone.md").unlink()
    commit_files(
        work,
        {"requests/old.md": "# Old 2\n", "requests/deep/new name.md": "# New\n", "notes.md": "# Not one\n"},
    )
    assert repository.list_changed_files(first, "requests/**/*.md") == [
        "requests/deep/new name.md",
        "requests/old.md",
    ]
    assert repository.list_changed_files("", "requests/**/*.md") == []


def test_a_checkout_of_one_commit_fetches_what_it_compares_with(repository, work, remote, tmp_path):
    first = git(work, "rev-parse", "HEAD")
    commit_files(work, {"requests/new.md": "# New\n"})
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{remote.place}", str(shallow))
    remote.git("config", "uploadpack.allowAnySHA1InWant", "true")
    found = Repository(shallow, repository.job).list_changed_files(first, "requests/*.md")
    assert found == ["requests/new.md"]


def test_a_block_is_pushed_byte_for_byte_and_the_checkout_stays_as_it_is(repository, work, remote):
    commit_files(work, {".gitattributes": "* text=auto eol=lf\n"})
    (work / "local.txt").write_text("not committed")
    before = (git(work, "status", "--porcelain"), git(work, "rev-parse", "HEAD"))
    assert push(repository)
    assert remote.git("show", f"{BRANCH}:{FOLDER}/iban.py") == "x = 1\n"  # text mode reads \r\n as \n
    assert remote.git("cat-file", "-s", f"{BRANCH}:{FOLDER}/iban.py").strip() == "7"
    assert "README.md" in remote.list_files(BRANCH)
    assert remote.count_commits("main", BRANCH) == 1
    assert (git(work, "status", "--porcelain"), git(work, "rev-parse", "HEAD")) == before
    assert remote.git("log", "-1", "--format=%an", BRANCH).strip() == "blocks"


def test_the_same_block_again_needs_no_commit(repository, remote):
    assert push(repository)
    assert not push(repository, on_top=True)
    assert remote.count_commits("main", BRANCH) == 1


def test_a_newer_block_follows_what_people_added_to_the_branch(repository, work, remote, tmp_path):
    push(repository)
    other = tmp_path / "person"
    git(tmp_path, "clone", "--quiet", "--branch", BRANCH, str(remote.place), str(other))
    commit_files(other, {"docs/note.md": "By a person.\n"})
    assert push(repository, {f"{FOLDER}/iban.py": b"x = 2\n"}, on_top=True)
    listed = remote.list_files(BRANCH)
    assert "docs/note.md" in listed
    assert f"{FOLDER}/iban.py" in listed
    assert f"{FOLDER}/manifest.json" not in listed, "what the newer block does not have is gone"
    assert remote.count_commits("main", BRANCH) == 3


def test_a_branch_whose_proposal_was_closed_begins_again(repository, work, remote):
    push(repository)
    commit_files(work, {"README.md": "# Newer\n"})
    assert push(repository, {f"{FOLDER}/iban.py": b"x = 3\n"})
    assert remote.count_commits("main", BRANCH) == 1
    assert remote.git("show", f"{BRANCH}:README.md") == "# Newer\n"


def test_what_another_job_pushed_meanwhile_is_not_overwritten(repository, work, remote, monkeypatch):
    push(repository)
    told = repository.fetch_head(BRANCH)
    monkeypatch.setattr(
        Repository,
        "fetch_head",
        lambda self, name: told if name == BRANCH else git(work, "rev-parse", "main"),
    )
    git(work, "push", "--quiet", "--force", "origin", f"main:refs/heads/{BRANCH}")
    with pytest.raises(Failure, match="git push failed") as caught:
        push(repository, {f"{FOLDER}/iban.py": b"x = 4\n"})
    assert caught.value.code == "ci:git-failed"


def test_a_job_for_a_tag_has_nothing_to_propose_to(repository):
    with pytest.raises(Failure, match="no branch 'v1'"):
        repository.push_files(BRANCH, "v1", FILES, FOLDER, "Add block", on_top=False)


def test_hooks_of_the_checkout_do_not_run(repository, work):
    hook = work / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert push(repository)


def test_the_token_of_gitlab_is_in_no_argument(repository, work, monkeypatch):
    job = CiJob(Platform.GITLAB, "", "42", "main", "", "", "", "glpat-secret")
    seen = []

    def watch(argv, **how):
        seen.append((argv, how["env"]))
        raise OSError

    monkeypatch.setattr("blocks.cli.ci.work_branch.subprocess.run", watch)
    with pytest.raises(Failure, match="could not be run"):
        Repository(work, job).list_changed_files("a" * 40, "*.md")
    ((argv, environment),) = seen
    assert "glpat-secret" not in str(argv)
    assert environment["GIT_CONFIG_KEY_0"] == "http.extraHeader"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"
