"""`blocks`: from a feature request to a verified block, from the command line."""

import json
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from typer import completion as typer_completion

from blocks import __version__
from blocks.cli.errors import Exit, Failure
from blocks.cli.lazy_commands import LazyGroup
from blocks.cli.terminal_text import clean_output
from blocks.format.errors import BlocksError

app = typer.Typer(
    cls=LazyGroup,
    name="blocks",
    add_completion=False,
    pretty_exceptions_enable=False,  # they would import rich, and print local variables such as the token
    rich_markup_mode=None,  # plain help: drawing boxes would take longer than everything else
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"blocks {__version__}\n")
        raise typer.Exit


@app.callback(
    epilog="Reads BLOCKS_API_URL and BLOCKS_TOKEN. Exit codes: 0 done, 1 flow or gate failed, "
    "2 cancelled or wrong usage, 4 not allowed, 5 service unreachable, 8 still running."
)
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Turn feature requests into verified blocks."""


def run() -> None:
    """The entry point: every failure ends in its message, its cure and its exit code, never in a
    traceback.
    """
    signal.signal(signal.SIGTERM, _stop)
    if "_BLOCKS_COMPLETE" in os.environ:
        # Only now: it costs every command time, and only a shell that asks needs it.
        typer_completion.completion_init()  # type: ignore[attr-defined]
    try:
        app(prog_name="blocks")
    except BlocksError as error:
        _print_error(error)
        # An error of the format itself says that a block is not what it should be.
        sys.exit(error.exit_code if isinstance(error, Failure) else Exit.FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("blocks: interrupted\n")
        sys.exit(Exit.USAGE)
    except RecursionError:
        _end_unexpectedly("something that was read is nested too deeply")
    except BrokenPipeError:
        # The reader of a pipe (head, grep -q) has gone, which is not a failure. Closing keeps Python from
        # complaining at exit.
        sys.stderr.close()
        sys.exit(Exit.DONE)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        _end_unexpectedly(f"{error.strerror or type(error).__name__}{place}")
    except Exception as error:  # noqa: BLE001 - the outermost edge
        _end_unexpectedly(f"unexpected {type(error).__name__}: {str(error)[:500]}")


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    # A job that is cancelled gets SIGTERM, and then means the same as a person who presses ctrl-C.
    raise KeyboardInterrupt


def _end_unexpectedly(why: str) -> None:
    # Without a traceback: it would show text of others with the codes that steer a terminal.
    sys.stderr.write(clean_output(f"blocks: {why}.\n"))
    sys.stderr.write("  cure: Try again; if it happens again, report what you typed and this line.\n")
    sys.exit(Exit.USAGE)


def _print_error(error: BlocksError) -> None:
    # The options are not parsed where parsing itself failed, so the words are searched.
    if any(word.partition("=")[0] == "--json" for word in sys.argv):
        problem = {"error": {"code": error.code, "message": error.message, "cure": error.cure}}
        sys.stdout.write(json.dumps(problem) + "\n")
    # Much of it is text of the service, or of git.
    sys.stderr.write(clean_output(f"blocks: {error.message}\n"))
    if error.cure:
        sys.stderr.write(clean_output(f"  cure: {error.cure}\n"))


if __name__ == "__main__":
    run()
