"""Scenarios that only tests need: answers that nothing good can be made of."""

import shutil
from pathlib import Path

PATTERN = "devops-tooling"
GARBAGE, FORBIDDEN = "garbage", "forbidden"


def extra_scenarios(samples: Path) -> None:
    """Add to a copy of the samples: an implementer who apologises, and one who writes a file that steers
    pytest.
    """
    garbage = _variant(samples, GARBAGE)
    for answer in (garbage / "answers").glob("implement*"):
        shutil.rmtree(answer)
        answer.write_text(
            "I am sorry, but first I have a few questions about the feature.\n", encoding="utf-8"
        )
    forbidden = _variant(samples, FORBIDDEN)
    for answer in (forbidden / "answers").glob("implement*"):
        (answer / "conftest.py").write_text("collect_ignore_glob = ['*']\n", encoding="utf-8")


def _variant(samples: Path, name: str) -> Path:
    """The pattern under another title, so that its request finds it."""
    folder = shutil.copytree(samples / PATTERN, samples / name)
    request = (folder / "feature_request.md").read_text(encoding="utf-8")
    title = next(line.removeprefix("# ") for line in request.splitlines() if line.startswith("# "))
    for path in (folder / "feature_request.md", folder / "scenario.yml"):
        path.write_text(
            path.read_text(encoding="utf-8").replace(title, f"{title} ({name})"), encoding="utf-8"
        )
    return folder
