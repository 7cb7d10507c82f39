"""A sample as its owner would have checked it out: a folder of its own, outside of this checkout."""

import shutil
import subprocess
from pathlib import Path

_SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def check_out_sample(sample: str, folder: Path) -> Path:
    """A fresh copy of the sample's repo with its feature request, in ``folder``; returns the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_SAMPLES / sample / "repo", folder)
    shutil.copy(_SAMPLES / sample / "feature_request.md", folder)
    if shutil.which("git"):
        # A repo of its own: without one, the command line would find the orchestrator's, which this folder
        # is in, and send that.
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder
