"""Clones from a real git server on loopback, and from servers and repos that mean harm."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from orchestrator.flows.source import clone as clone_module
from orchestrator.flows.source.clone import CloneFailed, clone
from orchestrator.repos import clone_urls
from tests.flows.source.git_server import (
    GitRepo,
    GitServer,
    answer_nothing,
    answer_with_status,
    drip,
    make_certificate,
    redirect_all,
    run_git,
    send_delta_bomb,
    send_endless_pack,
    serve_git,
)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that git's own account may enter, which it may not with ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def expect_refusal(url: str) -> CloneFailed:
    with pytest.raises(CloneFailed) as failed:
        clone(url)
    assert failed.value.cure
    return failed.value


def test_the_tracked_files_of_the_default_branch(git_server: GitServer, git_repo: GitRepo) -> None:
    git_repo.put("src/a.py", b"x = 1\n").put("run.sh", b"true\n", "100755").put("b.dat", b"\0\xff\r\n")
    git_repo.put(".blocks/config.yml", b"repo: x\n").put(".blocks/catalog/m.py", b"").put(
        ".env", b"KEY=v\n"
    ).put("big.txt", b"x" * 600_000)
    git_repo.commit()
    second = git_repo.put("src/a.py", b"x = 2\n").commit()
    found = clone(git_server.url())
    assert found.files == {
        "src/a.py": b"x = 2\n",
        "run.sh": b"true\n",
        "b.dat": b"\0\xff\r\n",
        ".blocks/config.yml": b"repo: x\n",
    }
    assert (found.commit, found.origin) == (second, f"git+{git_server.url()}@{second}")
    assert found.reasons == {"that look like secrets": 1, "over 512 KB": 1}
    assert not any("authorization" in headers or "cookie" in headers for _, headers in git_server.asked)


def test_nothing_of_a_tree_leads_out_of_it_or_runs(
    git_server: GitServer, git_repo: GitRepo, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    git_repo.put("a.py", b"$Id$\r\n").put("link", b"/etc/passwd", "120000").put("up", b"../../etc", "120000")
    git_repo.put(
        ".gitattributes", b"*.py filter=evil ident text eol=lf\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
    )
    git_repo.put(".gitconfig", f'[filter "evil"]\n\tsmudge = touch {ran}\n'.encode())
    git_repo.put("w.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    git_repo.put(
        ".gitmodules", f'[submodule "s"]\n\tpath = s\n\turl = {git_server.url("other.git")}\n'.encode()
    )
    git_repo.entries.append(f"160000 {'1' * 40}\ts")
    git_repo.commit()
    hook = git_repo.bare / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    found = clone(git_server.url())
    assert found.files["a.py"] == b"$Id$\r\n", "no filter has touched it"
    assert found.files["w.bin"].startswith(b"version https://git-lfs")
    assert not {"link", "up", "s"} & set(found.files)
    assert found.reasons == {"that are links, unreadable or unnameable": 3}
    assert not ran.exists()
    assert all(path.startswith("/repo.git/") for path, _ in git_server.asked)


def test_paths_that_no_repo_has_are_left_out(git_server: GitServer, git_repo: GitRepo) -> None:
    blob = run_git(git_repo.bare, "hash-object", "-w", "--stdin", given=b"x")
    raw = b"".join(
        b"100644 %b\0" % name + bytes.fromhex(blob)
        for name in (b"..", b".git", b"a\\b", b"ok.py", b"\xff.py")
    )
    git_repo.point(
        run_git(git_repo.bare, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=raw)
    )
    found = clone(git_server.url())
    assert set(found.files) == {".git", "ok.py"}
    assert sum(found.reasons.values()) == 3


def test_a_tree_that_multiplies_itself_is_stopped(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone_module, "LISTING_BYTES", 2 << 20)
    below = run_git(git_repo.bare, "hash-object", "-w", "--stdin", given=b"x")
    for level in range(8):
        mode, kind = ("100644", "blob") if level == 0 else ("040000", "tree")
        lines = "".join(f"{mode} {kind} {below}\tf{n}\n" for n in range(10))
        below = run_git(git_repo.bare, "mktree", given=lines.encode())
    git_repo.point(below)
    assert expect_refusal(git_server.url()).code == "context:clone-too-large"


def test_a_pack_that_does_not_end_is_stopped_while_it_arrives(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("a.py", b"x").commit()
    monkeypatch.setattr(clone_module, "LARGEST_BYTES", 4 << 20)
    git_server.hostile = send_endless_pack(git_server, 400 << 20)
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == ("context:clone-too-large", False)
    assert 4 << 20 <= git_server.sent < 40 << 20


def test_a_large_repo_is_refused_as_such(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("noise.dat", os.urandom(3 << 20)).commit()
    monkeypatch.setattr(clone_module, "LARGEST_BYTES", 1 << 20)
    assert expect_refusal(git_server.url()).code == "context:clone-too-large"


def test_a_silent_server_is_left_in_time_and_nothing_stays(
    git_server: GitServer, settings: LazySettings, tmp_path: Path, monkeypatch
) -> None:
    settings.CLONE_TIMEOUT_SECONDS = 1
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    git_server.hostile = answer_nothing(20)
    began = time.monotonic()
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == ("context:clone-failed", True)
    assert time.monotonic() - began < 10
    assert not list((tmp_path / "scratch").iterdir())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert git_server.url() not in running


def test_no_redirect_is_followed(git_server: GitServer, git_repo: GitRepo, tmp_path: Path) -> None:
    git_repo.put("a.py", b"x").commit()
    (tmp_path / "elsewhere").mkdir()
    with serve_git(tmp_path / "elsewhere") as other:
        git_server.hostile = redirect_all(f"http://127.0.0.1:{other.port}")
        failed = expect_refusal(git_server.url())
        assert (failed.code, other.asked) == ("context:clone-refused", [])
    assert "another address" in str(failed)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (answer_with_status(401, WWW_Authenticate='Basic realm="x"'), "context:clone-refused", "credentials"),
        (answer_with_status(403), "context:clone-refused", "credentials"),
        (answer_with_status(404), "context:clone-refused", "no such repo"),
        (answer_with_status(500), "context:clone-failed", "did not give"),
    ],
)
def test_what_a_server_refuses_is_sorted_by_who_can_fix_it(
    git_server: GitServer, answer, code: str, words: str
) -> None:
    git_server.hostile = answer
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable) == (code, code == "context:clone-failed")
    assert words in str(failed)


def test_an_empty_repo_has_nothing_to_clone(git_server: GitServer, git_repo: GitRepo) -> None:
    assert expect_refusal(git_server.url()).code == "context:clone-refused"


def test_git_goes_where_the_name_was_checked_to_lead_and_nowhere_else(
    git_server: GitServer, git_repo: GitRepo, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name has no entry anywhere: git can only have used the address that was checked."""
    git_repo.put("a.py", b"x").commit()
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.test"})
    answer = [(2, 1, 6, "", ("127.0.0.1", git_server.port))]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    assert clone(f"http://git.example.test:{git_server.port}/repo.git").files == {"a.py": b"x"}


def test_a_name_that_leads_inside_is_not_asked(
    git_server: GitServer, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLONE_PRIVATE_HOSTS = frozenset()
    answer = [(2, 1, 6, "", (address, git_server.port)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    failed = expect_refusal(f"https://git.example.test:{git_server.port}/repo.git")
    assert (failed.code, git_server.asked) == ("repo:clone-url-refused", [])


def test_a_machine_without_git_is_the_operators_to_fix(
    git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent:/bin/nowhere")
    failed = expect_refusal(git_server.url())
    assert (failed.code, failed.retryable, "git is installed" in failed.cure) == (
        "context:clone-failed",
        True,
        True,
    )


def test_a_git_that_is_not_held_to_an_address_clones_nothing(
    git_server: GitServer, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    old = open_folder / "git"
    old.write_text("#!/bin/sh\necho git version 2.36.9\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_folder}:{os.environ['PATH']}")
    failed = expect_refusal(git_server.url())
    assert (failed.code, str(failed)) == (
        "context:clone-failed",
        "Repos are cloned with git 2.37 or newer; this worker has git version 2.36.9.",
    )
    assert not git_server.asked


def test_nothing_of_the_workers_environment_goes_to_git(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_repo.put("a.py", b"x").commit()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'http.extraHeader'='Authorization: secret'")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/nonexistent")
    assert clone(git_server.url()).files == {"a.py": b"x"}
    assert "authorization" not in git_server.asked[0][1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give git an account of its own")
def test_git_has_an_account_of_its_own_which_reads_nothing_of_the_worker(
    git_server: GitServer, git_repo: GitRepo, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    git_repo.put("a.py", b"x").commit()
    secret = open_folder / "key"
    secret.write_text("marked")
    secret.chmod(0o600)
    spy, told = open_folder / "git", open_folder / "told"
    told.touch()
    told.chmod(0o666)
    real = shutil.which("git")
    spy.write_text(
        # The server of the test has a git too, in its own name.
        f'#!/bin/sh\n[ -z "$GIT_PROJECT_ROOT" ] || exec {real} "$@"\n'
        f"(id -u; id -G; cat {secret}; kill -0 {os.getpid()} && echo signalled) >> {told} 2>&1\n"
        f'exec {real} "$@"\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_folder}:{os.environ['PATH']}")
    assert clone(git_server.url()).files == {"a.py": b"x"}
    said = told.read_text()
    assert "marked" not in said
    assert "signalled" not in said
    numbers = {int(line) for line in said.splitlines() if line.isdecimal()}
    assert numbers
    assert 0 not in numbers


def test_a_small_pack_that_inflates_is_not_read(git_server: GitServer, git_repo: GitRepo) -> None:
    git_repo.put("zeros.dat", bytes(48 << 20)).put("a.py", b"x").commit()
    found = clone(git_server.url())
    assert set(found.files) == {"a.py"}
    assert found.reasons == {"over 512 KB": 1}


def test_a_delta_that_claims_more_than_memory_ends_git_and_not_the_worker(
    git_server: GitServer, git_repo: GitRepo
) -> None:
    git_repo.put("a.py", b"x").commit()
    git_server.hostile = send_delta_bomb
    failed = expect_refusal(git_server.url())
    assert failed.code in {"context:clone-failed", "context:clone-too-large"}


def test_a_server_that_drips_is_left_in_time(
    git_server: GitServer, git_repo: GitRepo, settings: LazySettings
) -> None:
    settings.CLONE_TIMEOUT_SECONDS = 1
    git_repo.put("a.py", b"x").commit()
    git_server.hostile = drip
    began = time.monotonic()
    assert expect_refusal(git_server.url()).retryable
    assert time.monotonic() - began < 10


def test_over_tls_with_a_name_only_a_trusted_server_is_cloned_from(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.test"})
    (tmp_path / "tls").mkdir()
    trusted = make_certificate(open_folder, "git.example.test")
    with serve_git(tmp_path / "tls", certificate=trusted) as server:
        GitRepo(server).put("a.py", b"x").commit()
        url = f"https://git.example.test:{server.port}/repo.git"
        answer = [(2, 1, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
        assert expect_refusal(url).code == "context:clone-failed"
        assert server.asked == []
        monkeypatch.setenv("GIT_SSL_CAINFO", str(trusted))
        assert clone(url).files == {"a.py": b"x"}
        # The same server sends everybody on, to a place that only this machine reaches.
        server.hostile = redirect_all("http://127.0.0.1:1")
        assert expect_refusal(url).code == "context:clone-refused"
        # Words of an option in the path stay a path.
        server.hostile = None
        assert expect_refusal(f"https://git.example.test:{server.port}/--upload-pack=id").retryable is False
