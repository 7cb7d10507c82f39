"""A repo's packages: pinned, hashed, wheels only, built once, and no way in for more than modules."""

import base64
import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from gates import environments
from gates.base import Policy, Verdict
from gates.environments import EnvironmentRefused, EnvironmentUnavailable, build, parse_pins
from gates.runner import run_gate
from tests.gates.blocks import SOUND

HASH = "--hash=sha256:" + "0" * 64
NAME = "blocks_test_rates"
EVIL = "import os\nos._exit(0)\n"


def wheel(folder: Path, extra: dict[str, str] | None = None) -> str:
    """A wheel of one module in ``folder``; its pin."""
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": "def base(weight):\n    return 250 if weight <= 500 else 490\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(extra or {}),
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(text.encode())}")
    folder.mkdir(exist_ok=True)
    target = folder / f"{NAME}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"}.items():
            archive.writestr(path, text)
    return f"{NAME}==1.0 --hash=sha256:{hashlib.sha256(target.read_bytes()).hexdigest()}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels instead of an index."""
    folder = tmp_path / "wheels"
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "requests",
        "requests==2.32.0",
        f"requests>=2 {HASH}",
        f"requests @ https://example.com/a.whl {HASH}",
        f"https://example.com/a.whl {HASH}",
        f"./local {HASH}",
        f"-e . {HASH}",
        "-r other.txt",
        "--index-url https://example.com/simple",
        f"requests==2.32.0 --index-url=https://example.com {HASH}",
        f"requests==2.32.0 {HASH} --no-binary=:all:",
        f"requests==2.32.0 ; python_version > '3' --config-settings=x {HASH} --global-option=x",
        "requests==2.32.0 --hash=md5:" + "0" * 32,
        f"requests==2.32.0 ; python_version > '3' --config-settings=x {HASH}",
        f"requests==2.32.0 ; python_version > '3' -e . {HASH}",
        f"requests==2.32.0 ; python_version > '3' $(id) {HASH}",
        "a==1 ;" + "a" * 19_000,
        "a==1 ; " + "'" * 19_000 + f" {HASH}",
        "a==1" + f" {HASH}" * 400,
        f"requests==2.32.0 {HASH}\n--index-url https://example.com {HASH}",
    ],
)
def test_only_pins_with_hashes_are_taken(line: str) -> None:
    with pytest.raises(EnvironmentRefused, match="not a pinned dependency"):
        parse_pins([line])


def test_pins_come_sorted_once_and_without_comments() -> None:
    lines = [
        "# comment",
        "",
        f"b==2 \\\n    {HASH}",
        f"a[x]==1.0 ; python_version >= '3.8' {HASH}",
        f"b==2 {HASH}",
    ]
    assert parse_pins(lines) == (f"a[x]==1.0 ; python_version >= '3.8' {HASH}", f"b==2 {HASH}")


def test_no_dependencies_need_no_environment(tmp_path: Path) -> None:
    assert build([], root=tmp_path / "environments") is None


def test_built_once_and_used_by_a_block(index: Path, tmp_path: Path) -> None:
    pin, root = wheel(index), tmp_path / "environments"
    folder = build([pin], root=root)
    assert folder is not None
    assert (folder / f"{NAME}.py").is_file()
    (index / f"{NAME}-1.0-py3-none-any.whl").unlink()
    assert build([pin], root=root) == folder, "the second time nothing is installed"
    assert sorted(path.name for path in root.iterdir()) == [folder.name, f"{folder.name}.lock"]
    module = SOUND.module.replace(
        '"""Shipping fees."""\n', f'"""Shipping fees."""\n\nfrom {NAME} import base as _base\n'
    )
    block = replace(SOUND, module=module.replace("        base = 250\n", "        base = _base(weight)\n"))
    for gate in ("coverage", "security"):
        report = run_gate(gate, replace(block, environment=folder), Policy(wall_seconds=60))
        assert report.verdict is Verdict.PASSED, report.summary
    assert run_gate("coverage", block, Policy(wall_seconds=60)).verdict is Verdict.FAILED


def test_package_can_bring_neither_start_files_nor_plugins(index: Path, tmp_path: Path) -> None:
    entry = {f"{NAME}-1.0.dist-info/entry_points.txt": "[pytest11]\nevil = evil\n"}
    pin = wheel(
        index,
        {"evil.py": EVIL, "evil.pth": "import evil\n", "sitecustomize.py": EVIL, "pytest.py": EVIL, **entry},
    )
    folder = build([pin], root=tmp_path / "environments")
    assert folder is not None
    report = run_gate("coverage", replace(SOUND, environment=folder), Policy(wall_seconds=60))
    assert report.verdict is Verdict.PASSED, report.summary


def test_other_bytes_than_pinned_are_refused_and_leave_nothing(index: Path, tmp_path: Path) -> None:
    wheel(index)
    root = tmp_path / "environments"
    with pytest.raises(EnvironmentRefused, match="cannot be installed"):
        build([f"{NAME}==1.0 {HASH}"], root=root)
    assert [path.suffix for path in root.iterdir()] == [".lock"]


def test_sources_are_not_built(index: Path, tmp_path: Path) -> None:
    index.mkdir()
    (index / f"{NAME}-1.0.tar.gz").write_bytes(b"setup.py would run here")
    with pytest.raises((EnvironmentRefused, EnvironmentUnavailable), match="cannot be installed"):
        build([f"{NAME}==1.0 {HASH}"], root=tmp_path / "environments")


def test_slow_index_ends_in_time(index: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnavailable, match="not installed within"):
        build([wheel(index)], root=tmp_path / "environments", seconds=0.0001)


def test_installer_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-host")
    monkeypatch.setenv("UV_INDEX_URL", "https://index.example/simple")
    passed = environments._installer_environment()
    assert "OPENAI_API_KEY" not in passed
    assert passed["UV_INDEX_URL"] == "https://index.example/simple"


def test_a_marker_as_uv_prints_it_is_taken() -> None:
    line = f"tomli==2.0.1 ; python_full_version <= '3.11.0a6' and (sys_platform != 'win32') {HASH}"
    assert parse_pins([line]) == (line,)


def test_environments_go_by_age_and_by_size_and_never_while_they_may_be_in_use(tmp_path: Path) -> None:
    now = 10_000_000.0
    ages = {"a" * 64: 20 * 86_400, "b" * 64: 86_400, "c" * 64: 7_200, "d" * 64: 60}
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_bytes(bytes(1000))
        os.utime(tmp_path / name, (now - age, now - age))
    (tmp_path / f"{'a' * 64}.lock").touch()

    def kept() -> str:
        return "".join(sorted(folder.name[0] for folder in tmp_path.iterdir() if folder.is_dir()))

    assert environments.evict_unused(tmp_path, now=now) == 1
    assert kept() == "bcd"
    assert environments.evict_unused(tmp_path, now=now, kept_bytes=2500) == 1
    assert kept() == "cd"
    assert environments.evict_unused(tmp_path, now=now, kept_bytes=1) == 1
    assert kept() == "d"


def test_an_environment_that_is_used_again_is_young_again(index: Path, tmp_path: Path) -> None:
    pin, root = wheel(index), tmp_path / "environments"
    folder = build([pin], root=root)
    assert folder is not None
    os.utime(folder, (0, 0))
    assert build([pin], root=root) == folder
    assert folder.stat().st_mtime > 0
