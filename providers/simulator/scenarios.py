"""Which answer a prompt gets: scenario files, found by the title of the feature request
(``docs/reference/answer-format.md``).
"""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

_MARK: Final = re.compile(r"\[blocks stage=(\w+) round=(\d+) nonce=([0-9a-fA-F]+)(?: files=([^\]\s]+))?\]")
_TITLE: Final = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)
_OPEN, _CLOSE = "<feature_request>", "</feature_request>"
KEYS: Final = "ANTHROPIC_API_KEY, OPENAI_API_KEY, GOOGLE_API_KEY"


class NoScenario(Exception):
    """No scenario answers this prompt; the message names the samples there are."""


@dataclass(frozen=True, slots=True)
class ScenarioPrompt:
    """What a prompt asks for, by its machine-readable line and its title."""

    title: str
    stage: str
    round: int
    nonce: str
    files: tuple[str, ...] = ()
    """The only files that are asked for; empty for all."""


def read_prompt(text: str) -> ScenarioPrompt:
    """Find the last request and the line before it: the context in front may quote other ones."""
    # From the end: a repo's own files come first and may contain the same tags.
    start = text.rfind(_OPEN)
    inside = text[start + len(_OPEN) :].partition(_CLOSE)[0] if start >= 0 else ""
    title = _TITLE.search(inside)
    marks = list(_MARK.finditer(text, 0, start)) if start >= 0 else []
    found = marks or list(_MARK.finditer(text))
    mark = found[-1] if found else None
    return ScenarioPrompt(
        title=title[1] if title else "",
        stage=mark[1] if mark else "",
        round=int(mark[2]) if mark else 1,
        nonce=mark[3] if mark else "",
        files=tuple(mark[4].split(",")) if mark and mark[4] else (),
    )


@dataclass
class ScenarioLibrary:
    """The scenarios of a folder; read again when a request names a title that is not known yet."""

    folder: Path | None
    _by_title: dict[str, tuple[Path, dict[str, Any]]] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def find_answer(self, prompt: ScenarioPrompt) -> str:
        """Return the text of the scenario for this stage and round; raises ``NoScenario``."""
        found = self._find_scenario(prompt.title)
        if found is None:
            raise NoScenario(self._describe_unknown(prompt))
        folder, scenario = found
        answers = (scenario.get("answers") or {}).get(prompt.stage)
        if not answers:
            raise NoScenario(
                f"The scenario {folder.name!r} has no answer for the stage {prompt.stage!r}. "
                f"{self._describe_unknown(prompt)}"
            )
        # A round beyond the last answer repeats the last one.
        chosen = folder / "answers" / str(answers[min(max(prompt.round, 1), len(answers)) - 1])
        return _join_files(chosen, prompt) if chosen.is_dir() else chosen.read_text(encoding="utf-8")

    def list_titles(self) -> dict[str, str]:
        """Folder name -> title of every scenario."""
        self._read_folder()
        return {path.name: str(scenario["title"]) for path, scenario in self._by_title.values()}

    def _find_scenario(self, title: str) -> tuple[Path, dict[str, Any]] | None:
        key = " ".join(title.split()).casefold()
        # At most once a second: unknown titles must not make every request read the folder.
        if key not in self._by_title and time.monotonic() - self._read_at > 1:
            self._read_folder()
        return self._by_title.get(key)

    def _read_folder(self) -> None:
        found: dict[str, tuple[Path, dict[str, Any]]] = {}
        for path in sorted(self.folder.glob("*/scenario.yml")) if self.folder else ():
            text, loader = path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            scenario = yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are safe, one is faster
            found[" ".join(str(scenario["title"]).split()).casefold()] = (path.parent, scenario)
        self._by_title, self._read_at = found, time.monotonic()

    def _describe_unknown(self, prompt: ScenarioPrompt) -> str:
        samples = (
            ", ".join(f"{name} ({title!r})" for name, title in sorted(self.list_titles().items())) or "none"
        )
        return (
            "This is the simulator: it answers only the samples, and "
            f"{prompt.title or 'a prompt without a title'!r} is none of them. "
            f"Samples: {samples}. For any other request set {KEYS} and use the real providers."
        )


def _join_files(folder: Path, prompt: ScenarioPrompt) -> str:
    """Join the files of a folder that are asked for, each between delimiters with the nonce."""
    # Hidden files and folders are what tools leave there, such as caches of bytecode.
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return "\n".join(
        _delimit_file(path, prompt.nonce) for path in files if not prompt.files or path.name in prompt.files
    )


def _delimit_file(path: Path, nonce: str) -> str:
    text = path.read_text(encoding="utf-8").rstrip("\n")
    return f"<<<FILE {path.name} {nonce}>>>\n{text}\n<<<END {nonce}>>>"
