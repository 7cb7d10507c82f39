"""Parses the command line of a small tool."""

import argparse


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tool", exit_on_error=False)
    parser.add_argument("path")
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--verbose", "-v", action="count", default=0)
    return parser


def read_options(words: list[str]) -> dict[str, object]:
    """What the words mean. Raises ``ValueError`` where they mean nothing."""
    try:
        found = _make_parser().parse_args(words)
    except (SystemExit, argparse.ArgumentError) as error:
        raise ValueError("not a command line") from error
    if found.limit < 1:
        raise ValueError(f"limit {found.limit} is not positive")
    return {"path": found.path, "limit": found.limit, "level": min(found.verbose, 2)}
