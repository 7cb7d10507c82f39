"""The running product as its users meet it: the command line in their repo, REST, and the rows it
leaves.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from orchestrator.dev import demo, stack
from orchestrator.dev.collector import Collector

CLOSED_REPO = "closed-service"
Done = subprocess.CompletedProcess[str]


@dataclass
class Product:
    """A stack under test and the folder with its samples."""

    stack: stack.Stack
    folder: Path
    collector: Collector

    @property
    def url(self) -> str:
        return f"http://{self.stack.values['HOST']}:{self.stack.values['PORT']}"

    def checkout(self, sample: str, place: Path) -> Path:
        """A repo of a user with the sample's feature request in it, after ``blocks init``."""
        source = self.folder / "samples" / sample
        is_shipped = (stack.ROOT / "samples" / sample).is_dir()
        repo = demo.find_sample_repo(sample) if is_shipped else sample
        work = place / f"{repo} of mine"
        shutil.copytree(source / "repo", work)
        shutil.copy(source / "feature_request.md", work)
        subprocess.run(["git", "init", "--quiet", str(work)], check=True)
        assert self.blocks(work, "init").returncode == 0
        return work

    def blocks(self, work: Path, *words: str, url: str = "", timeout: float = 270) -> Done:
        """The real command line, in a process of its own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("BLOCKS_", "COV"))}
        clean |= {"PYTHONPATH": str(stack.ROOT), "COLUMNS": "160", "PYTHONUTF8": "1"}
        clean |= {"BLOCKS_API_URL": url or self.url, "BLOCKS_TOKEN": self.stack.access["token"]}
        argv = [sys.executable, "-m", "blocks.cli.main", *words]
        return subprocess.run(
            argv, cwd=work, env=clean, capture_output=True, text=True, timeout=timeout, check=False
        )

    def run(self, work: Path, repo: str, *words: str) -> tuple[int, dict[str, Any]]:
        """``blocks flow run --json``: exit code and the document."""
        done = self.blocks(
            work, "flow", "run", "--input", "feature_request.md", "--repo", repo, "--json", *words
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def post(self, path: str, body: Any, *, url: str = "") -> tuple[int, dict[str, Any]]:
        """A POST to the API with an operator's token; bytes go as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self.stack.access['token']}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(f"{url or self.url}/api/v1/{path}", data, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the database holds."""
        with psycopg.connect(self.stack.values["DATABASE_URL"], row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def simulate(self, provider: str, *faults: dict[str, Any]) -> None:
        """Let the simulated provider fail like this from now on."""
        root = self.stack.values["OPENAI_BASE_URL"].removesuffix("/v1")
        body = json.dumps({"latency": 0.05, "faults": list(faults)}).encode()
        request = urllib.request.Request(f"{root}/__sim__/{provider}", body, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
