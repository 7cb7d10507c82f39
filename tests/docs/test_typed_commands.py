"""Every `blocks` command that a page types exists as it is typed: its words, its options, its arguments."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer._click.exceptions import ClickException, MissingParameter, NoArgsIsHelpError, UsageError

from blocks.cli.lazy_commands import COMMANDS, import_lazily

ROOT = Path(__file__).resolve().parents[2]
# The decisions tell how it was decided, and the generated pages are compared with the code elsewhere.
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "blocks/README.md", *ROOT.glob("docs/**/*.md"))
    if "decisions" not in path.parts and path.name not in {"commands.md", "error-codes.md"}
)
# What a page writes where a reader puts something of his own, and the end of a sentence.
_NUMBER = {"N", "S", "ID"}


def list_typed(text: str) -> list[tuple[str, bool]]:
    """The commands in code blocks, which are whole, and in code within a line, which may only name one."""
    found: list[tuple[str, bool]] = []
    for block in re.findall(r"```(?:bash|sh|)\n(.*?)```", text, re.S):
        joined = block.replace("\\\n", " ")
        found += [(typed, True) for typed in re.findall(r"^\s*(?:\$ )?(blocks [a-z].*)$", joined, re.M)]
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    return found + [(typed, False) for typed in re.findall(r"`(blocks [a-z][^`]*)`", prose)]


def split_words(typed: str) -> list[str]:
    command = re.split(r"\s+(?:[|>#]|2>|&&)", typed)[0]
    return shlex.split(command)[1:]


def expand_usage(words: list[str]) -> list[list[str]]:
    """A usage such as ``[--here] [--repo R]`` as what may be typed: with everything that is optional."""
    text = " ".join(shlex.quote(word) for word in words)
    plain = text.replace("[", " ").replace("]", " ").replace("'", "")
    return [plain.split()] if "[" in text else [words]


def check_command(words: list[str], *, whole: bool = True) -> str:
    """What is wrong with a command; empty where nothing is."""
    name, *rest = words
    if name not in COMMANDS:
        return f"there is no command {name}"
    command: Any = typer.main.get_command(import_lazily(COMMANDS[name][0]).app)
    try:
        find_command(command, rest)
    except NoArgsIsHelpError:
        return ""  # a page that names a group
    except MissingParameter as error:
        return str(error.format_message()) if whole else ""
    except ClickException as error:
        return str(error.format_message())
    return ""


def find_command(command: Any, words: list[str]) -> None:
    """Parse ``words`` down to the command that they name; raises what click says where they do not fit."""
    while hasattr(command, "commands"):
        if not words or words[0] == "...":
            return
        if words[0] not in command.commands:
            raise UsageError(f"there is no command {words[0]}")
        command, words = command.commands[words[0]], words[1:]
    if "..." in words:
        return
    filled = ["1" if word in _NUMBER else word for word in words]
    command.make_context(command.name, filled)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_exist_as_they_are_typed(page):
    wrong = {}
    for typed, whole in list_typed(page.read_text(encoding="utf-8")):
        for words in expand_usage(split_words(typed)):
            if problem := check_command(words, whole=whole):
                wrong[typed] = problem
    assert wrong == {}


def test_a_wrong_command_is_found():
    assert check_command(["flaw", "run"]) == "there is no command flaw"
    assert check_command(["flow", "walk"]) == "there is no command walk"
    assert "No such option" in check_command(["flow", "run", "--input", "x", "--fast"])
    assert "Missing argument" in check_command(["flow", "show"])
    assert check_command(["flow", "run", "--input", "feature_request.md", "--no-follow"]) == ""
