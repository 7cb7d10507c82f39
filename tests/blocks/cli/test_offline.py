"""What the command line does without a service."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import blocks.cli

FOLDER = Path(blocks.cli.__file__).parent
OURS = {"providers", "gates", "onboarding", "orchestrator", "django", "celery"}


def test_init_prepares_and_again_changes_nothing(offline, work):
    assert offline("init").returncode == 0
    config = work / ".blocks/config.yml"
    assert (work / ".blocks/catalog").is_dir()
    assert (work / ".blocks/schemas").is_dir()
    assert "repo: compliance-service" in config.read_text()
    config.write_text("repo: mine\n")
    again = offline("init")
    assert again.returncode == 0
    assert "nothing changed" in again.stdout
    assert config.read_text() == "repo: mine\n"


def test_no_token_is_not_allowed_and_says_what_to_set(offline):
    found = offline("status", "flows")
    assert found.returncode == 4
    assert "BLOCKS_TOKEN" in found.stderr
    assert "cure:" in found.stderr
    assert "Traceback" not in found.stderr


def test_no_service_is_unreachable(offline):
    found = offline("status", "flows", BLOCKS_API_URL="http://127.0.0.1:1", BLOCKS_TOKEN="blk_x")
    assert found.returncode == 5
    assert "http://127.0.0.1:1" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 65537, "64 KB"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_feature_request_is_wrong_usage(offline, work, content, words):
    if content is not None:
        (work / "fr.md").write_bytes(content)
    found = offline("flow", "run", "--input", "fr.md", BLOCKS_TOKEN="blk_x")
    assert found.returncode == 2
    assert words in found.stderr
    assert "Traceback" not in found.stderr


def test_a_token_in_the_configuration_is_refused(offline, work):
    (work / ".blocks").mkdir()
    (work / ".blocks/config.yml").write_text("repo: x\ntoken: blk_secret\n")
    found = offline("status", "flows", BLOCKS_TOKEN="blk_x")
    assert found.returncode == 2
    assert "blk_secret" not in found.stderr


def test_wrong_usage(offline):
    assert offline("flow", "run").returncode == 2
    assert offline("nonsense").returncode == 2


def test_help_names_every_command_and_loads_none(offline):
    found = offline("--help")
    assert found.returncode == 0
    for name in ("init", "flow", "verify", "status", "config", "quota", "test-flow"):
        assert name in found.stdout
    heavy = {"httpx2", "yaml", "rich", "django", "celery"}
    code = f"import sys, blocks.cli.main; print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words", [["flow", "run"], ["verify", "show"], ["status", "flows"], ["config"], ["quota"]]
)
def test_the_help_of_a_command_does_not_pay_for_http(words):
    loaded = "sorted({'httpx2._client', 'django', 'celery'} & set(sys.modules))"
    report = f"import atexit, sys; atexit.register(lambda: print('LOADED', *{loaded}))"
    code = f"{report}; sys.argv = ['blocks', *{words!r}, '--help']; from blocks.cli.main import run; run()"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert "Usage: blocks" in found.stdout
    assert found.stdout.splitlines()[-1] == "LOADED"


def test_the_command_line_imports_no_part_of_the_server():
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.partition(".")[0] not in OURS or name.startswith("blocks.cli"), (path, name)


def test_blocks_survive_a_checkout_that_converts_line_ends(offline, work):
    """As git does it on Windows: what is stored with LF is written with CRLF."""
    assert offline("init").returncode == 0
    places = [f".blocks/{folder}/risk/ratio/ratio.py" for folder in ("catalog", "schemas")]
    for place in (*places, "app.py"):
        (work / place).parent.mkdir(parents=True, exist_ok=True)
        (work / place).write_bytes(b"x = 1\ny = 2\n")
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "add", "-A"], check=True, capture_output=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    copy = work.parent / "copy"
    subprocess.run(["git", "-c", "core.autocrlf=true", "clone", "-q", str(work), str(copy)], check=True)
    assert (copy / "app.py").read_bytes() == b"x = 1\r\ny = 2\r\n"
    assert [(copy / place).read_bytes() for place in places] == [b"x = 1\ny = 2\n"] * 2


def test_init_adds_to_the_attributes_that_are_there(offline, work):
    attributes = work / ".blocks/.gitattributes"
    attributes.parent.mkdir()
    attributes.write_text("* text")
    for _ in range(2):
        assert offline("init").returncode == 0
        assert attributes.read_text() == "* text\ncatalog/** -text\nschemas/** -text\n"
