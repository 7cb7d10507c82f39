"""The commands of ``docs/operate/terraform.md``, typed as they stand, with the state in S3."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchestrator.dev.tool_environments import ROOT
from tests.deploy.terraform.working_copy import NotAtHand, WorkingCopy, open_copy

PAGE = ROOT / "docs/operate/terraform.md"
STATES, KEY = "company-terraform-state", "flowengine/terraform.tfstate"
pytestmark = pytest.mark.slow


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The service that keeps the state; Terraform finds it by its environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket=STATES, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    client.close()
    server.stop()


@pytest.fixture
def copy(tmp_path) -> Iterator[WorkingCopy]:
    """A copy as a clone is: no state, no values, nothing installed."""
    try:
        with open_copy(tmp_path) as opened:
            (opened.place / "backend_override.tf").unlink()
            (opened.place / "terraform.tfvars").unlink()
            shutil.rmtree(opened.place / ".terraform")
            yield opened
    except NotAtHand as missing:
        pytest.skip(str(missing))


def test_the_page_from_the_first_command_to_the_last(copy, client):
    first, drift, tests = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    applied = type_commands(first, copy, copy.place.parents[1])
    assert "Apply complete!" in applied
    state = client.head_object(Bucket=STATES, Key=KEY)
    assert state["ServerSideEncryption"] == "AES256"
    assert "No changes." in type_commands(drift, copy, copy.place)
    assert "0 failed" in type_commands(tests, copy, copy.place)
    check_lock(copy, client)


def check_lock(copy: WorkingCopy, client: Any) -> None:
    """Who comes second is told so, and by whom."""
    lock = (
        '{"ID": "2b8c1c0e-0000-4000-8000-000000000000", "Operation": "OperationTypeApply", "Who": "somebody"}'
    )
    client.put_object(Bucket=STATES, Key=f"{KEY}.tflock", Body=lock)
    second = copy.run("apply", "-auto-approve")
    assert second.returncode == 1
    assert "Error acquiring the state lock" in second.stdout
    assert "somebody" in second.stdout
    copy.require("force-unlock", "-force", "2b8c1c0e-0000-4000-8000-000000000000")
    copy.require("plan")


def type_commands(block: str, copy: WorkingCopy, folder: Any) -> str:
    """What a shell prints that ends at the first command that fails."""
    done = subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=folder,
        env=os.environ | copy.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
