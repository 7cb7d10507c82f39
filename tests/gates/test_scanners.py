"""The scanners stay loaded, and each scan finds what one in a fresh process finds."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gates import scanners
from gates.errors import ScannerFailed

FILES = {"parcel.py": "import pickle\n\n\ndef fee(x):\n    return eval(x)\n", "contract.json": "{}\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).write_text(text)
    return tmp_path


def test_a_loaded_scanner_finds_what_a_fresh_one_finds(folder: Path) -> None:
    command = [sys.executable, "-I", "-m", "bandit", "-r", ".", "-f", "json", "-q"]
    fresh = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = scanners.scan_with_bandit(folder, FILES)

    assert {finding.rule for finding in found} == {"B403", "B307"}
    assert all(finding.rule in fresh.stdout for finding in found)


def test_many_scans_at_once_do_not_mix(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(6)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / f"block{number}.py").write_text("eval('1')\n" * (number + 1))

    def scan(number: int) -> tuple[set[str], int]:
        found = scanners.scan_with_bandit(folders[number], {f"block{number}.py": ""})
        return {finding.path for finding in found}, len(found)

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(scan, range(6)))
    assert results == [({f"block{number}.py"}, number + 1) for number in range(6)]


def test_a_server_that_was_killed_is_started_again(folder: Path) -> None:
    scanners.scan_with_bandit(folder, FILES)
    first = scanners._LOADED.process
    assert first is not None
    first.kill()
    first.wait()

    assert scanners.scan_with_bandit(folder, FILES)
    assert scanners._LOADED.process is not first


def test_a_scan_that_dies_gives_no_result(folder: Path) -> None:
    with pytest.raises(ScannerFailed, match="did not run"):
        scanners._LOADED.run(folder / "nowhere", "bandit", [])


def test_the_server_ends_with_the_process_that_started_it(folder: Path) -> None:
    code = (
        "from pathlib import Path; import sys; from gates import scanners\n"
        f"scanners.scan_with_bandit(Path({str(folder)!r}), {FILES!r})\n"
        "print(scanners._LOADED.process.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    pid = int(done.stdout)
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state in "ZX":
            return
        time.sleep(0.1)
    raise AssertionError("the server still runs")
