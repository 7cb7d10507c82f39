"""What the wheel holds: every file of our packages, also those that are not Python."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("orchestrator", "providers", "gates", "onboarding")
LIST = """
from setuptools.dist import Distribution
built = Distribution({"script_name": "setup.py"})
built.parse_config_files()
command = built.get_command_obj("build_py")
command.ensure_finalized()
command.build_lib = ""
print("\\n".join(command.get_outputs(include_bytecode=False)))
"""


def test_every_file_of_a_package_is_in_the_wheel() -> None:
    done = subprocess.run([sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True)
    packed = {str(Path(line)) for line in done.stdout.splitlines()}
    there = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "orchestrator/flows/generation/prompts/plan.v1.md" in there
    assert "orchestrator/flows/generation/prompts/plan.v2.md" in there
    assert there - packed == set()
