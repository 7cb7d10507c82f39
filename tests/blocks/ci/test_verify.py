"""`blocks ci verify`: the evidence of every block of a checkout, in a push and in a pull request."""

import pytest

from orchestrator.flows.evidence import keys, sealing
from tests.blocks.ci.conftest import commit_files, git
from tests.blocks.ci.github_server import list_bodies
from tests.flows.evidence.conftest import make_key_pem
from tests.flows.evidence.subjects import SUBJECT

FOLDER = ".blocks/catalog/compliance/ratio"
KEY = ".blocks/keys/service.pem"


@pytest.fixture
def catalog(db, block, work) -> dict[str, bytes | str]:
    """The files of a repo with one block and its key."""
    files: dict[str, bytes | str] = {f"{FOLDER}/{path}": content for path, content in block.items()}
    return files | {KEY: keys.current_key().public_pem, ".blocks/.gitattributes": "catalog/** -text\n"}


@pytest.fixture
def pull_request(github, github_job, work):
    """Turn the job into one of a pull request against what ``main`` has now."""

    def make() -> None:
        base = git(work, "rev-parse", "HEAD")
        git(work, "checkout", "--quiet", "-b", "change")
        github_job.set_event("GITHUB_EVENT_PATH", {"pull_request": {"number": 5, "base": {"sha": base}}})
        github_job.values |= {
            "GITHUB_HEAD_REF": "change",
            "GITHUB_BASE_REF": "main",
            "GITHUB_REF_NAME": "5/merge",
        }
        github.issues.add(5)

    return make


def test_a_push_checks_every_block_without_the_service(github_job, github, catalog, work):
    commit_files(work, catalog)
    done = github_job.run("ci", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds  compliance/ratio  flow task_1" in done.stdout
    assert "1 blocks checked by the keys of this branch." in done.stdout
    assert "| `compliance/ratio` | ✅ |" in github_job.read("GITHUB_STEP_SUMMARY")
    assert github.asked == [], "there is nothing to comment on"


def test_a_changed_byte_fails_the_job_and_marks_the_file(github_job, catalog, work):
    commit_files(work, catalog | {f"{FOLDER}/ratio.py": "x = 2\n"})
    done = github_job.run("ci", "verify")
    assert done.returncode == 1
    assert "WRONG  compliance/ratio  ratio.py was changed" in done.stdout
    assert f"::error file={FOLDER}/manifest.json::ratio.py was changed" in done.stdout
    assert "1 of 1 blocks are not to be trusted" in github_job.read("GITHUB_STEP_SUMMARY")


@pytest.mark.parametrize(
    ("place", "finding"),
    [
        (".blocks/catalog/compliance/ratio_two", "belongs to the block compliance/ratio"),
        (None, "not a sealed"),
    ],
)
def test_a_genuine_block_under_another_name_and_an_empty_folder_do_not_hold(
    github_job, catalog, work, place, finding
):
    more = {path.replace(FOLDER, place): content for path, content in catalog.items()} if place else {}
    commit_files(work, catalog | (more or {".blocks/catalog/compliance/notes/readme.txt": "x"}))
    done = github_job.run("ci", "verify")
    assert done.returncode == 1
    assert "WRONG" in done.stdout
    assert "holds  compliance/ratio " in done.stdout


def test_a_block_of_another_repo_does_not_hold(github_job, catalog, work):
    commit_files(work, catalog | {".blocks/config.yml": "repo: another-service\n"})
    done = github_job.run("ci", "verify")
    assert done.returncode == 1
    assert "belongs to the repo compliance-service, expected was another-service" in done.stdout


def test_a_pull_request_gets_one_comment_that_is_changed(github_job, github, catalog, work, pull_request):
    commit_files(work, catalog)
    pull_request()
    assert github_job.run("ci", "verify").returncode == 0
    commit_files(work, {f"{FOLDER}/README.md": "# Changed\n"})
    assert github_job.run("ci", "verify").returncode == 1
    (comment,) = list_bodies(github, 5)
    assert comment.startswith("<!-- blocks-verify -->\n❌ **1 of 1 blocks are not to be trusted**")
    assert "by the keys of the target branch" in comment


def test_a_pull_request_that_brings_a_key_along_with_a_block_is_found(
    github_job, github, catalog, work, pull_request, settings
):
    commit_files(work, catalog)
    pull_request()
    # A forger seals a block of his own with a key of his own, and adds both.
    settings.EVIDENCE_SIGNING_KEY = make_key_pem()
    forged = sealing.seal(SUBJECT).files
    files = {f"{FOLDER}/{path}": content for path, content in forged.items()}
    commit_files(work, files | {".blocks/keys/forger.pem": keys.current_key().public_pem})
    done = github_job.run("ci", "verify")
    assert done.returncode == 1
    assert "WRONG  compliance/ratio" in done.stdout
    assert "NOTE   This change alters `.blocks/keys/`" in done.stdout
    # As a push to the target, after somebody has merged it, it would hold: the keys are then the repo's own.
    github_job.values.pop("GITHUB_EVENT_PATH")
    assert github_job.run("ci", "verify").returncode == 0


def test_a_pull_request_cannot_say_that_it_is_another_repo(github_job, github, catalog, work, pull_request):
    # A genuine block of another repo, whose name the change puts into the configuration.
    config = {".blocks/config.yml": "repo: another-service\n"}
    commit_files(work, {KEY: catalog[KEY]} | config)
    pull_request()
    commit_files(work, catalog | {".blocks/config.yml": "repo: compliance-service\n"})
    done = github_job.run("ci", "verify")
    assert done.returncode == 1
    assert "expected was another-service" in done.stdout


def test_a_job_of_a_fork_may_not_comment_and_checks_all_the_same(
    github_job, github, catalog, work, pull_request
):
    commit_files(work, catalog)
    pull_request()
    github.tokens = {name: set() for name in github.tokens}
    done = github_job.run("ci", "verify")
    assert done.returncode == 0
    assert "Nothing was said at the request: GitHub does not let this job comment" in done.stderr


def test_the_first_keys_of_a_repo_are_named_for_a_person(github_job, github, catalog, work, pull_request):
    pull_request()
    commit_files(work, catalog)
    done = github_job.run("ci", "verify")
    assert done.returncode == 0
    assert "NOTE   This change brings the first keys of the repo" in done.stdout
    assert "compare their ids" in next(list_bodies(github, 5))


def test_a_job_without_a_token_still_checks(github_job, catalog, work, pull_request, github):
    commit_files(work, catalog)
    pull_request()
    done = github_job.run("ci", "verify", GITHUB_TOKEN="")
    assert done.returncode == 0
    assert "GITHUB_TOKEN is not set" in done.stderr
    assert github.comments == []


def test_gitlab_says_it_at_the_merge_request(gitlab_job, gitlab, catalog, work):
    base = git(work, "rev-parse", "HEAD")
    git(work, "checkout", "--quiet", "-b", "change")
    commit_files(work, catalog)
    gitlab.merge_requests.append({"iid": 3})
    values = {
        "CI_MERGE_REQUEST_IID": "3",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "change",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
    }
    for _ in range(2):
        assert gitlab_job.run("ci", "verify", **values).returncode == 0
    (note,) = gitlab.notes
    assert note["body"].startswith("<!-- blocks-verify -->\n✅ The evidence of all 1 blocks holds")
