"""A to-do list on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def _load(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    return list(json.loads(path.read_text(encoding="utf-8")))


def _save(path: Path, items: list[dict[str, object]]) -> None:
    path.write_text(json.dumps(items, indent=2), encoding="utf-8")


def _add(args: argparse.Namespace) -> int:
    items = _load(args.file)
    items.append({"title": args.title, "done": False})
    _save(args.file, items)
    print(f"added {args.title}")
    return 0


def _done(args: argparse.Namespace) -> int:
    items = _load(args.file)
    if not 1 <= args.number <= len(items):
        print(f"no item {args.number}", file=sys.stderr)
        return 1
    items[args.number - 1]["done"] = True
    _save(args.file, items)
    return 0


def _list(args: argparse.Namespace) -> int:
    for number, item in enumerate(_load(args.file), start=1):
        mark = "x" if item["done"] else " "
        print(f"{number}. [{mark}] {item['title']}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="todo")
    parser.add_argument("--file", type=Path, default=Path("todo.json"))
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("add")
    add.add_argument("title")
    add.set_defaults(run=_add)
    done = commands.add_parser("done")
    done.add_argument("number", type=int)
    done.set_defaults(run=_done)
    commands.add_parser("list").set_defaults(run=_list)
    return parser


def main(argv: list[str]) -> int:
    """Run one command; its exit code."""
    args = _parser().parse_args(argv)
    return int(args.run(args))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
