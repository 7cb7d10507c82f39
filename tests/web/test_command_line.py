"""The command line that the service serves: installers take it, with its hash, and it runs."""

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from blocks import __version__
from orchestrator.core import cli_wheel
from tests.blocks.conftest import ROOT

WHEEL = f"multi_llm_blocks-{__version__}-py3-none-any.whl"


def run(*words: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a program without this environment, except for what says where packages come from."""
    dropped = ("PYTHON", "VIRTUAL_ENV", "BLOCKS_", "COV")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    clean |= {"UV_SYSTEM_CERTS": "1"} | env
    return subprocess.run(
        words, cwd=folder, env=clean, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_wheel_is_the_package_that_runs(client):
    told = client.get("/cli/release.json").json()
    assert told["version"] == __version__
    assert told["url"].endswith(f"/cli/{WHEEL}")
    answer = client.get(f"/cli/{WHEEL}")
    assert hashlib.sha256(answer.content).hexdigest() == told["sha256"]
    assert answer.headers["ETag"] == f'"{told["sha256"]}"'
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "blocks").rglob("*")
        if path.suffix in {".py", ".typed"} and "build" not in path.parts
    }
    assert {name for name in packed.namelist() if ".dist-info/" not in name} == sources
    # As the format asks: each file with its digest and size, and itself with neither.
    listed = packed.read(f"multi_llm_blocks-{__version__}.dist-info/RECORD").decode()
    records = list(csv.reader(listed.splitlines()))
    assert {record[0] for record in records} == set(packed.namelist())
    for path, digest, size in records[:-1]:
        content = packed.read(path)
        expected = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={expected}", len(content))
    assert client.get("/cli/multi_llm_blocks-0.0.1-py3-none-any.whl").status_code == 404


def test_the_same_files_give_the_same_bytes():
    first = cli_wheel.pack_wheel()
    cli_wheel.pack_wheel.cache_clear()
    assert cli_wheel.pack_wheel() == first


def test_the_page_says_what_to_type(client):
    page = client.get("/cli/").content.decode()
    told = client.get("/cli/release.json").json()
    assert f"pipx install {told['url']}" in page
    assert f"#sha256={told['sha256']}" in page
    assert 'href="/cli/"' in client.get("/").content.decode()


def test_pip_finds_the_wheel_and_holds_it_to_its_hash(service, tmp_path):
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check")
    for number, source in enumerate(
        (("--no-index", "--find-links", f"{service.url}/cli/"), ("--index-url", f"{service.url}/cli/simple/"))
    ):
        folder = tmp_path / str(number)
        done = run(*pip, *source, "-d", str(folder), "multi-llm-blocks", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (folder / WHEEL).read_bytes() == cli_wheel.pack_wheel().content
    done = run(*pip, "-d", str(tmp_path), f"{service.url}/cli/{WHEEL}#sha256={'0' * 64}", folder=tmp_path)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_what_the_page_says_installs_a_command_that_knows_its_service(service, tmp_path):
    uv = str(ROOT / ".venv/bin/uv")
    place = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    page = run(sys.executable, "-c", READ_PAGE, f"{service.url}/cli/", folder=tmp_path).stdout
    (address,) = re.findall(r"uv tool install ([^<\s]+)", page)
    # The pins of the server, so that the packages are those that `make setup` has fetched.
    pins = ("-c", str(ROOT / "requirements.txt"), "-c", str(ROOT / "requirements-dev.txt"))
    done = run(uv, "tool", "install", "-q", *pins, address, folder=tmp_path, **place)
    assert done.returncode == 0, done.stderr
    told = run(str(tmp_path / "bin/blocks"), "version", folder=tmp_path, BLOCKS_API_URL=service.url)
    assert told.stdout.splitlines() == [
        f"blocks {__version__}, Python {sys.version.split()[0]}",
        f"service {__version__} at {service.url}",
    ]


READ_PAGE = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"


@pytest.fixture(autouse=True)
def allow_host(settings):
    settings.ALLOWED_HOSTS = ["*"]
