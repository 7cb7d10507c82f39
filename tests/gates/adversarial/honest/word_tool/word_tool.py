"""``word_tool``: counts words of the texts that it is given on the command line."""

import argparse
import json
import sys
from collections.abc import Sequence


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="word_tool", description="Counts words.")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    parser.add_argument("-m", "--min-length", type=int, default=1, help="ignore shorter words")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def count_words(text: str, min_length: int = 1) -> int:
    """Words of at least ``min_length`` letters."""
    return sum(len(word) >= min_length for word in text.split())


def run(arguments: list[str]) -> str:
    """What the tool prints for ``arguments``."""
    options = _build_parser().parse_args(arguments)
    counts = {text: count_words(text, options.min_length) for text in options.texts}
    if options.format == "json":
        return json.dumps(counts, sort_keys=True)
    return "\n".join(f"{count:>4} {text}" for text, count in counts.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command."""
    print(run(list(argv if argv is not None else sys.argv[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
