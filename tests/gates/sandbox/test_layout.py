"""The folders of jobs: each goes with its job, and those of killed workers go with the next one's start."""

import os
import subprocess
import sys
import tempfile

from gates.sandbox import layout


def test_the_folders_of_dead_processes_are_swept_and_no_others(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    for owner in (dead.pid, os.getpid()):
        (tmp_path / f"sandbox-{owner}-x" / "src").mkdir(parents=True)
        (tmp_path / f"sandbox-{owner}-x" / "src" / "module.py").touch()
    (tmp_path / "sandbox-notes").mkdir()
    with layout.source_folder({"a.py": b"x = 1\n"}, None, {}) as source:
        assert layout.sweep_abandoned_folders() == 1
        assert (source / "a.py").exists()
    assert {path.name for path in tmp_path.iterdir()} == {f"sandbox-{os.getpid()}-x", "sandbox-notes"}
