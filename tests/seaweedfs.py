"""A real S3 with Object Lock: SeaweedFS on free ports of loopback, where ``make s3`` has installed it."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator import child_processes
from orchestrator.dev import embedded

ROOT = Path(__file__).resolve().parents[1]
ACCESS_KEY, SECRET_KEY = "loopback", "loopback"
_SECONDS = 60


def find_program() -> str | None:
    """The program ``weed``; None where it is not installed."""
    own = ROOT / ".venv-s3" / "bin" / "weed"
    return str(own) if own.exists() else shutil.which("weed")


@contextmanager
def run_seaweedfs(folder: Path) -> Iterator[str]:
    """Run a server that keeps its data in ``folder``; yields its address."""
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    accounts = folder / "s3.json"
    accounts.write_text(
        json.dumps({"identities": [{"name": "tests", "credentials": keys, "actions": actions}]})
    )
    data = folder / "data"
    data.mkdir()
    port = embedded.find_free_port()
    words = [str(find_program()), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    words += ["-s3", f"-s3.port={port}", f"-s3.config={accounts}"]
    # Every bucket has some volumes of its own, empty ones.
    words += ["-volume.max=1000", "-master.volumeSizeLimitMB=64"]
    for part in ("master", "volume", "filer"):
        # Each has a second port for its other protocol, which it would choose 10000 higher.
        words += [
            f"-{part}.port={embedded.find_free_port()}",
            f"-{part}.port.grpc={embedded.find_free_port()}",
        ]
    words.append(f"-s3.port.grpc={embedded.find_free_port()}")
    log = folder / "weed.log"
    with log.open("wb") as output:
        child = child_processes.start(words, death_signal=signal.SIGKILL, output=output, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, child, log)
        yield address
    finally:
        child_processes.stop(child, first=signal.SIGKILL)


def _wait_until_ready(address: str, child: child_processes.ChildProcess, log: Path) -> None:
    config = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=config,
    )
    end = time.monotonic() + _SECONDS
    while True:
        try:
            client.create_bucket(Bucket="ready")
        except (ClientError, BotoCoreError):
            assert child.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.2)
        else:
            client.close()
            return
