"""One rule for secret files: what the command line keeps back, the service does not show either."""

from collections import Counter

import pytest

from blocks.format.secret_files import is_secret_file
from blocks.format.selection import select_files
from orchestrator.flows.context import build_bundle
from orchestrator.flows.verification.environment import build_surroundings

SECRETS = (
    ".env",
    ".env.production",
    "prod.env",
    "_netrc",
    ".dockercfg",
    ".docker/config.json",
    "prod.tfvars",
    "secrets.yml",
    "kubeconfig",
    "client_secret.json",
    "service-account-project.json",
    "vpn/office.ovpn",
    ".ssh/config",
    "deploy/Server.PEM",
    "home/.aws/credentials",
)
HARMLESS = ("environment.py", "docs/env.md", "keys.py", "credentials_test.py", "secrets.py", "ssh/config.py")


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_file_is_neither_sent_nor_shown_nor_given_to_the_gates(path: str) -> None:
    assert is_secret_file(path)
    reasons: Counter[str] = Counter()
    assert select_files({path: 10, "a.py": 5}, reasons) == ["a.py"]
    assert reasons == {"that look like secrets": 1}
    files = {path: b"password = hunter2-horse\n", "a.py": b"x = 1\n"}
    bundle = build_bundle(files, "use the password", max_bytes=20_000, pruning=True)
    assert bundle.included == ("a.py",)
    assert set(build_surroundings(files).files) == {"a.py"}


@pytest.mark.parametrize("path", HARMLESS)
def test_a_file_with_a_similar_name_is_sent(path: str) -> None:
    assert not is_secret_file(path)
    assert select_files({path: 10}, Counter()) == [path]
