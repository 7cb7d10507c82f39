"""Which files go along with a request, with git and without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.format import limits
from blocks.format.gitignore import is_ignored, parse_rules
from blocks.format.work_tree import ABSENT, GitRefusedError, collect_files, find_git_root


def write(root: Path, *names: str, content: str = "x\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder that `blocks init` has prepared, without git."""
    write(tmp_path, ".blocks/config.yml", ".blocks/catalog/a/b/module.py", content="repo: x\n")
    return tmp_path


def test_only_the_folder_with_blocks_of_a_larger_work_tree(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(
        tmp_path,
        "other/secret_plan.py",
        "service/.blocks/config.yml",
        "service/a.py",
        "service/deep/b.py",
        "service/c.log",
    )
    write(tmp_path, ".gitignore", content="*.log\n")
    found = collect_files(tmp_path / "service")
    assert set(found.files) == {".blocks/config.yml", "a.py", "deep/b.py"}


def test_without_git_the_folder_is_walked(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        bare,
        "a.py",
        "src/b.py",
        "src/skip.log",
        "node_modules/x/i.js",
        ".hidden/h.py",
        "env3/pyvenv.cfg",
        "env3/lib/m.py",
        "dist/w.py",
    )
    write(bare, ".gitignore", content="*.log\n")
    expected = {".blocks/config.yml", ".gitignore", "a.py", "src/b.py"}
    assert set(collect_files(bare).files) == expected
    monkeypatch.setenv("PATH", "/nowhere")
    assert set(collect_files(bare).files) == expected


def test_without_git_and_without_blocks_nothing_is_sent(tmp_path: Path) -> None:
    write(tmp_path, "diary.txt")
    assert collect_files(tmp_path).files == {}


def test_what_looks_like_a_secret_stays_and_is_said(bare: Path) -> None:
    names = (
        ".env",
        "prod.env",
        "deploy/server.pem",
        "id_rsa",
        "terraform.tfstate",
        "credentials.json",
        "home/.ssh/config",
    )
    write(bare, "a.py", *names)
    found = collect_files(bare)
    assert set(found.files) == {".blocks/config.yml", "a.py"}
    # A hidden folder is not looked into at all.
    assert found.reasons == {"that look like secrets": len(names) - 1}
    assert "6 that look like secrets" in found.describe_left_out()


def test_links_and_devices_are_not_followed(bare: Path) -> None:
    (bare / "link.py").symlink_to("/etc/hostname")
    (bare / "folder").symlink_to("/etc")
    os.mkfifo(bare / "pipe")
    found = collect_files(bare)
    assert set(found.files) == {".blocks/config.yml"}
    assert found.left_out == 3


def test_caps_keep_the_small_files_and_say_what_is_missing(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 4096)
    monkeypatch.setattr(limits, "MAX_CONTEXT_BYTES", 6000)
    monkeypatch.setattr(limits, "MAX_CONTEXT_FILES", 4)
    write(bare, "huge.py", content="x" * 4097)
    write(bare, "a.py", "b.py", content="x" * 2000)
    write(bare, "c.py", content="x" * 3000)
    write(bare, "tiny.py")
    found = collect_files(bare)
    assert set(found.files) == {".blocks/config.yml", "tiny.py", "a.py", "b.py"}
    assert (found.size, found.left_out) == (4010, 2)
    assert set(found.reasons) == {"over 4 KB", "beyond 4 files"}


PATTERNS = """
# comment
*.log
!keep.log
/only-here.txt
build/
docs/*.html
a/**/z
**/deep
trail\\\x20
[ab].py
[!c]x.py
\\#odd
\\!odd
sp ace
under/**
foo?
"""
# fmt: off
PATHS = [
    "x.log", "keep.log", "d/x.log", "d/keep.log", "only-here.txt", "d/only-here.txt", "build/f",
    "d/build/f", "notbuild", "docs/a.html", "docs/b/a.html", "a/z", "a/b/z", "a/b/c/z", "az",
    "q/deep/f", "deep", "a.py", "b.py", "c.py", "d/a.py", "ax.py", "cx.py", "#odd", "!odd",
    "under/f", "under/g/h", "foo1", "foo", "foo12", "d/foo1", "plain",
]
# fmt: on
NESTED = ("d/inner/x.log", "d/inner/y.txt", "d/inner/z.txt")


def test_gitignore_is_read_as_git_reads_it(tmp_path: Path) -> None:
    """The same tree by git and by us, nested rules included."""
    for root in (tmp_path / "with", tmp_path / "without"):
        taken: set[str] = set()
        for path in [*PATHS, "trail ", "sp ace", *NESTED, "build2/x", ".blocks/config.yml"]:
            if not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in taken):
                write(root, path)
                taken.add(path)
        write(root, ".gitignore", content=PATTERNS)
        write(root, "d/inner/.gitignore", content="!x.log\n*.txt\n!/z.txt\n")
    git(tmp_path / "with", "init", "-q")
    by_git, by_us = collect_files(tmp_path / "with"), collect_files(tmp_path / "without")
    assert set(by_us.files) == set(by_git.files)
    assert "d/inner/x.log" in by_us.files
    assert "x.log" not in by_us.files


@pytest.mark.parametrize(
    "line", ["[", "[]", "a[", "\\", "**", "***", "/", "!", "!/", "[z-a]", "[[:alpha:]]", " ", "(", "a{1}"]
)
def test_odd_patterns_do_not_break(line: str) -> None:
    in_force = parse_rules(f"{line}\n*.log\n")
    assert is_ignored("x.log", in_force, is_folder=False)


def test_the_command_line_still_starts_without_this() -> None:
    code = "import sys, blocks.cli.main; print('blocks.format.work_tree' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    """A work tree with a tracked file, an ignored one, and `.blocks`."""
    git(tmp_path, "init", "-q")
    write(tmp_path, ".blocks/config.yml", "a.py", "private.txt")
    write(tmp_path, ".gitignore", content="private.txt\n")
    git(tmp_path, "add", ".")
    return tmp_path


def test_what_git_refuses_to_read_is_not_read_in_another_way(tracked: Path) -> None:
    (tracked / ".git" / "index").write_bytes(b"not an index at all, but long enough")
    with pytest.raises(GitRefusedError, match="index") as refused:
        collect_files(tracked)
    assert "git status" in refused.value.cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another account")
def test_a_work_tree_of_another_account_is_refused_in_gits_own_words(tracked: Path) -> None:
    for path in (tracked, *tracked.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(GitRefusedError, match="dubious ownership"):
        collect_files(tracked)


def test_a_work_tree_without_git_to_read_it_is_refused(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitRefusedError, match="git cannot be run") as refused:
        collect_files(tracked)
    assert "Install git" in refused.value.cure


def test_the_repository_of_a_hook_is_not_taken_for_the_folders(
    tracked: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    write(other, "theirs.py")
    git(other, "add", ".")
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", "x")):
        monkeypatch.setenv(name, str(value))
    assert find_git_root(tracked) == tracked.resolve()
    assert set(collect_files(tracked).files) == {".blocks/config.yml", ".gitignore", "a.py"}


def test_what_a_sparse_checkout_does_not_have_is_said(tracked: Path) -> None:
    (tracked / "a.py").unlink()
    found = collect_files(tracked)
    assert found.reasons == {ABSENT: 1}
    assert "sparse checkout" in found.describe_left_out()
