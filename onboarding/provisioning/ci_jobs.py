"""The CI jobs of a repo: what runs its requests as flows, and what checks the evidence of its blocks.

They install the command line from this service by its hash, so a repo needs nothing from another repo. What
they do is in ``deploy/ci``, whose action and template large organisations share instead.
"""

from dataclasses import dataclass
from string import Template
from typing import Final

import yaml

GITHUB_RUN: Final = ".github/workflows/blocks.yml"
GITHUB_VERIFY: Final = ".github/workflows/blocks-verify.yml"
GITLAB_JOBS: Final = ".blocks/gitlab-ci.yml"
GITLAB_FILE: Final = ".gitlab-ci.yml"


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What the jobs have to know: where the service is, and which command line it gives out.

    ``is_keyless``: the jobs show the identity token of their platform; else they have BLOCKS_TOKEN.
    """

    url: str
    cli_version: str
    cli_sha256: str
    default_branch: str
    is_keyless: bool


# In a block scalar a line of a shell needs no quoting of its own.
_INSTALL: Final = """\
python3 -m venv "$$$place/blocks-cli"
"$$$place/blocks-cli/bin/pip" install --quiet --disable-pip-version-check \\
  "multi-llm-blocks @ $$BLOCKS_API_URL/cli/multi_llm_blocks-$version-py3-none-any.whl#sha256=$sha256"
"""
_RUN_HEAD: Final = Template("""\
# Runs feature requests as flows: an issue with the label `blocks`, or a file of requests/.
name: blocks
on:
  issues:
    types: [labeled]
  push:
    branches: [$branch]
    paths: [requests/**]

# Two runs for the same issue at once would be one flow and two pushes.
concurrency: blocks-$${{ github.event.issue.number || github.ref }}

jobs:
  run:
    if: github.event_name != 'issues' || github.event.label.name == 'blocks'
    runs-on: ubuntu-latest
    timeout-minutes: 60
    permissions:
$identity      contents: write       # to push the branch of the block
      pull-requests: write  # to open its pull request
      issues: write         # to say the result at the issue
    env:
      BLOCKS_API_URL: $url
      GITHUB_TOKEN: $${{ github.token }}
$secret    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - name: Install the command line by its hash
        run: |
$install
      - run: '"$$RUNNER_TEMP/blocks-cli/bin/blocks" ci run'
""")
_VERIFY_HEAD: Final = Template("""\
# Checks the evidence of every block of the catalog. Made at the onboarding.
name: blocks-verify
on: [push, pull_request]

jobs:
  verify:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      issues: write  # to say the result at the pull request
    env:
      BLOCKS_API_URL: $url
      GITHUB_TOKEN: $${{ github.token }}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - name: Install the command line by its hash
        run: |
$install
      - run: '"$$RUNNER_TEMP/blocks-cli/bin/blocks" ci verify'
""")
_GITLAB: Final = Template("""\
# Runs changed files of requests/ as flows, and checks the evidence of every block. Made at the onboarding.
.blocks-cli:
  image: python:3.12
  variables:
    BLOCKS_API_URL: $url
  before_script:
    - |
$install

blocks-run:
  extends: .blocks-cli
$identity  rules:
    - if: $$CI_PIPELINE_SOURCE == "push" && $$CI_COMMIT_BRANCH == "$branch"
      changes: [requests/**/*]
  # The same request twice at once would be one flow and two pushes.
  resource_group: blocks-run
  script:
    - '"$$CI_BUILDS_DIR/blocks-cli/bin/blocks" ci run'

blocks-verify:
  extends: .blocks-cli
  rules:
    - if: $$CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $$CI_PIPELINE_SOURCE == "push" && $$CI_COMMIT_BRANCH
  script:
    - '"$$CI_BUILDS_DIR/blocks-cli/bin/blocks" ci verify'
""")
# Each identity token is exchanged once, for 15 minutes; a job that waits for 40 needs four.
_GITLAB_IDENTITY: Final = Template("""\
  id_tokens:
    BLOCKS_ID_TOKEN: {aud: "$url"}
    BLOCKS_ID_TOKEN_2: {aud: "$url"}
    BLOCKS_ID_TOKEN_3: {aud: "$url"}
    BLOCKS_ID_TOKEN_4: {aud: "$url"}
""")
_INCLUDE: Final = f"\ninclude:\n  - local: {GITLAB_JOBS}\n"


def build_github_jobs(facts: JobFacts) -> dict[str, bytes]:
    """Path to content of the workflows."""
    install = _indent(_fill_install(facts, "RUNNER_TEMP"), 10)
    identity = "      id-token: write       # to show who the job is\n" if facts.is_keyless else ""
    secret = "" if facts.is_keyless else "      BLOCKS_TOKEN: ${{ secrets.BLOCKS_TOKEN }}\n"
    # Quoted as YAML: an address or a branch may hold characters that mean something there.
    values = {"url": _quote(facts.url), "branch": _quote(facts.default_branch), "install": install}
    run = _RUN_HEAD.substitute(values, identity=identity, secret=secret)
    return {GITHUB_RUN: run.encode(), GITHUB_VERIFY: _VERIFY_HEAD.substitute(values).encode()}


def build_gitlab_jobs(facts: JobFacts) -> dict[str, bytes]:
    """Path to content of the file of jobs; ``include_gitlab_jobs`` has the project's own file name it."""
    # With a stored token nothing has to be exchanged.
    identity = _GITLAB_IDENTITY.substitute(url=facts.url) if facts.is_keyless else ""
    install = _indent(_fill_install(facts, "CI_BUILDS_DIR"), 6)
    text = _GITLAB.substitute(
        url=_quote(facts.url), branch=facts.default_branch, install=install, identity=identity
    )
    return {GITLAB_JOBS: text.encode()}


def include_gitlab_jobs(content: bytes) -> bytes | None:
    """The project's `.gitlab-ci.yml` with our jobs; None where it includes files already, which people then
    add to.
    """
    root = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    # A second `include` would silently replace the first.
    if any(key.value == "include" for key, _ in root.value):
        return None
    # Added at the end, and nothing rewritten: comments and order of the file are its owners'.
    ended = content if content.endswith(b"\n") else content + b"\n"
    return ended + _INCLUDE.encode()


def _fill_install(facts: JobFacts, place: str) -> str:
    return Template(_INSTALL).substitute(place=place, version=facts.cli_version, sha256=facts.cli_sha256)


def _indent(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.splitlines())


def _quote(text: str) -> str:
    """A text as YAML, also where it has quotes or colons."""
    return yaml.safe_dump(text, default_style='"', width=10_000).strip()
