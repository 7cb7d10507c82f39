"""The processes of a stack: started, waited for, missed. Each is a real one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.dev import embedded, stack
from tests.commands import run_management_command

SAY_ARGUMENTS = "python -c 'import sys; print(sys.argv[1:])' ${FOLDER} --port ${PORT}"


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[..., stack.Stack]]:
    """A stack without servers; what it starts is stopped at the end."""
    made: list[stack.Stack] = []

    def make(**values: str) -> stack.Stack:
        made.append(stack.Stack(values, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_value_with_a_space_stays_one_argument(make_stack: Callable[..., stack.Stack]) -> None:
    one = make_stack(FOLDER="a folder", PORT="1")
    one.start("arguments", SAY_ARGUMENTS)
    assert one.running["arguments"].wait(30) == 0
    assert one.log_path("arguments").read_text() == "['a folder', '--port', '1']\n"


def test_a_process_that_ends_by_itself_is_told_with_the_end_of_its_log(
    make_stack: Callable[..., stack.Stack],
) -> None:
    one = make_stack()
    one.start("web", "python -c 'import sys; print(\"no port\"); sys.exit(3)'")
    with pytest.raises(stack.StackError, match=r"web ended with exit code 3:\nno port"):
        one.wait_until(lambda: False, name="web")


def test_a_process_that_is_never_ready_is_told_with_its_log(make_stack: Callable[..., stack.Stack]) -> None:
    one = make_stack()
    one.start("web", "python -c 'import time; time.sleep(60)'")
    with pytest.raises(stack.StackError, match="web is not ready after 0 s") as refused:
        one.wait_until(lambda: False, name="web", seconds=0)
    assert str(one.log_path("web")) in refused.value.message
    one.stop()
    assert one.running["web"].returncode != 0


def test_providers_with_a_key_are_not_simulated(make_stack: Callable[..., stack.Stack]) -> None:
    own = {f"{name.upper()}_API_KEY": "k" for name in ("anthropic", "openai")}
    one = make_stack(**own, GOOGLE_API_KEY_FILE="/a/file")
    stack._start_simulator(one)
    assert one.running == {}


def test_the_secret_key_stays_where_the_database_stays(tmp_path: Path) -> None:
    kept = stack._read_secret_key(tmp_path / "state")
    assert stack._read_secret_key(tmp_path / "state") == kept
    assert (tmp_path / "state" / "secret_key").stat().st_mode & 0o077 == 0
    assert stack._read_secret_key(None) != stack._read_secret_key(None)


def test_a_scenario_without_a_repo_is_told(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yml"
    scenario.write_text("name: x\n")
    with pytest.raises(stack.StackError, match="names no repo"):
        stack.read_scenario_repo(scenario)


def test_nobody_answers_on_a_free_port() -> None:
    assert not stack.is_answering(f"http://127.0.0.1:{embedded.find_free_port()}/ready")


def test_a_management_command_that_fails_says_what_it_printed(make_stack: Callable[..., stack.Stack]) -> None:
    one = make_stack(SECRET_KEY="k", PATH=str(Path(sys.executable).parent))  # no DATABASE_URL
    with pytest.raises(stack.StackError, match="DATABASE_URL"):
        run_management_command(one.values, "check")
