"""Reads the sample folders for the tests beside this file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2] / "samples"
NAMES = sorted(path.parent.name for path in ROOT.glob("*/scenario.yml"))


@dataclass(frozen=True)
class Sample:
    """One folder of ``samples/`` and what its ``scenario.yml`` says."""

    name: str
    scenario: dict[str, Any]

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    @property
    def block(self) -> str:
        return str(self.scenario["block"])

    def answers(self, stage: str) -> list[Path]:
        """Files or folders by round."""
        return [self.folder / "answers" / name for name in self.scenario["answers"][stage]]

    def parsed(self, stage: str) -> list[dict[str, Any]]:
        """The JSON answers of a stage by round."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self.answers(stage)]

    def contract(self) -> dict[str, Any]:
        """The contract of the last round."""
        return dict(json.loads((self.answers("implement")[-1] / "contract.json").read_text(encoding="utf-8")))


def sample(name: str) -> Sample:
    """The sample in the folder ``name``."""
    text = (ROOT / name / "scenario.yml").read_text(encoding="utf-8")
    return Sample(name, yaml.safe_load(text))
