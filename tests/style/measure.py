"""``python -m tests.style.measure [FOLDER ...]``: how the code reads, in figures. The last lines name the worst places.

Without folders the whole product is measured. ``--before REVISION`` prints a second column for an earlier commit.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("blocks", "orchestrator", "providers", "gates", "onboarding")
FLOWS = "orchestrator/flows"
LONGEST_LINE = 110
# Scripts that attack the sandbox are data of a test, not code that anybody calls; migrations are written once.
LEFT_OUT = ("/migrations/", "/attacks/scripts/", "/__pycache__/", "/build/")
# The second word is needed, or `with`, `set` and `update` in a sentence would look like SQL.
SQL = re.compile(
    r"\b(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+(\w+\s+)?SET\s|DELETE\s+FROM\s|CREATE\s+(OR\s+REPLACE\s+)?"
    r"(FUNCTION|TABLE|TRIGGER|INDEX)\s|WITH\s+\w+\s+AS\s+(MATERIALIZED\s+)?\()"
)
ROOM = re.compile(r"^(orchestrator\.flows\.\w+)")


@dataclass
class Measured:
    """Counts over some files; ``places`` maps a measure to where it was exceeded, as ``path:line text``."""

    files: int = 0
    lines: int = 0
    comments: int = 0
    long_lines: int = 0
    functions: int = 0
    one_word: int = 0
    sql_lines: int = 0
    crowded_lines: int = 0
    error_bases: int = 0
    registries: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def rows(self) -> dict[str, str]:
        """Name of each measure and its value, in the order in which they are printed."""
        doubled = sorted(name for name, count in self.classes.items() if count > 1)
        return {
            "Python files": str(self.files),
            "lines": str(self.lines),
            "one-word function names, %": f"{100 * self.one_word / max(1, self.functions):.1f}",
            f"lines over {LONGEST_LINE} characters": str(self.long_lines),
            "comments per 100 lines": f"{100 * self.comments / max(1, self.lines):.1f}",
            "class names that stand twice": str(len(doubled)),
            "lines of SQL in Python literals": str(self.sql_lines),
            "lines with two conditional expressions or two comprehensions": str(self.crowded_lines),
            "bases of errors with a code of their own": str(self.error_bases),
            "forms of registries": str(self.registries),
        }


def sources(root: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    """The Python files of ``folders`` below ``root`` that count, sorted."""
    for folder in folders:
        start = root / folder
        for path in [start] if start.is_file() else sorted(start.rglob("*.py")):
            if not any(part in f"/{path.relative_to(root)}" for part in LEFT_OUT):
                yield path


def measure(root: Path, folders: tuple[str, ...]) -> Measured:
    """Measure every Python file of ``folders``; raises ``SyntaxError`` for one that is not Python."""
    found = Measured()
    for path in sources(root, folders):
        _measure_file(found, path, str(path.relative_to(root)))
    return found


def _measure_file(found: Measured, path: Path, name: str) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found.files += 1
    found.lines += len(lines)
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            found.long_lines += 1
            found.places["long line"].append(f"{name}:{number}")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # A marker for a tool explains nothing, unless a reason follows it.
        if token.type == tokenize.COMMENT and not re.fullmatch(
            r"#\s*(noqa|type: ignore)[^-–#]*", token.string
        ):
            found.comments += 1
    tree = ast.parse(text)
    crowd: Counter[tuple[int, str]] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=function) | ast.AsyncFunctionDef(name=function):
                _count_function(found, function, f"{name}:{node.lineno}")
            case ast.ClassDef():
                _count_class(found, node, f"{name}:{node.lineno}")
            case ast.IfExp():
                crowd[node.lineno, "if"] += 1
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                crowd[node.lineno, "for"] += 1
            case ast.Constant(value=str(literal)) if SQL.search(literal):
                _count_sql(found, literal, f"{name}:{node.lineno}")
    for (number, kind), count in sorted(crowd.items()):
        if count > 1:
            found.crowded_lines += 1
            found.places["crowded line"].append(f"{name}:{number} {kind} x{count}")
    _count_registries(found, tree, name)


def _count_function(found: Measured, function: str, place: str) -> None:
    if function.startswith("__") and function.endswith("__"):
        return
    found.functions += 1
    if "_" not in function.strip("_"):
        found.one_word += 1
        found.places["one-word function"].append(f"{place} {function}")


def _count_class(found: Measured, node: ast.ClassDef, place: str) -> None:
    # Django's inner classes and its migrations and commands have the names that Django looks for.
    if node.name not in {"Meta", "Command", "Migration", "Media"} and not node.name.startswith("_"):
        found.classes[node.name] += 1
        found.places[f"class {node.name}"].append(place)
    bases = {ast.unparse(base) for base in node.bases}
    members = {target.id for item in node.body for target in _assigned(item)}
    stored = {
        item.attr
        for item in ast.walk(node)
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store)
    }
    if bases & {"Exception", "RuntimeError", "ValueError"} and "code" in members | stored:
        found.error_bases += 1
        found.places["error base"].append(f"{place} {node.name}")


def _assigned(item: ast.stmt) -> list[ast.Name]:
    targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
    return [target for target in targets if isinstance(target, ast.Name)]


def _count_sql(found: Measured, literal: str, place: str) -> None:
    count = len([line for line in literal.splitlines() if line.strip()])
    found.sql_lines += count
    found.places["SQL literal"].append(f"{place} {count} lines")


def _count_registries(found: Measured, tree: ast.Module, name: str) -> None:
    """A table of implementations is a registry: by the class, or by hand with ``import_module``."""
    if name.endswith("core/registry.py"):
        found.registries += 1
        return
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called.endswith("import_module") and isinstance(node, ast.Call):
            found.registries += 1
            found.places["registry by hand"].append(f"{name}:{node.lineno}")


def flows_structure(root: Path) -> dict[str, str]:
    """Rooms (files and folders directly below ``orchestrator/flows``), floors and arrows among them, and those that run back.

    An arrow is a pair of rooms of which one imports from the other. It runs back where the imported room also reaches the
    importing one.
    """
    arrows: dict[str, set[str]] = defaultdict(set)
    rooms = set()
    for path in sources(root, (FLOWS,)):
        parts = path.relative_to(root).with_suffix("").parts
        room = ".".join(parts[:3])
        if parts[-1] == "__init__" and len(parts) == 3:
            continue
        rooms.add(room)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _imported(node):
                match = ROOM.match(target)
                if match and match[1] != room:
                    arrows[room].add(match[1])
    reach = {room: _reachable(room, arrows) for room in rooms}
    back = sum(room in reach.get(target, ()) for room in rooms for target in arrows[room])
    return {
        "rooms of flows": str(len(rooms)),
        "arrows between them": str(sum(len(arrows[room] & rooms) for room in rooms)),
        "arrows that run in a circle": str(back),
    }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _reachable(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        for target in arrows[queue.pop()]:
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return seen


def at_revision(revision: str, into: Path) -> Path:
    """Unpack the tree of ``revision`` below ``into``."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
    return into


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.style.measure")
    parser.add_argument("folders", nargs="*", default=list(PRODUCT))
    parser.add_argument("--before", metavar="REVISION", help="an earlier commit, for a second column")
    parser.add_argument(
        "--places", metavar="WORD", help="list the places of the measures whose name has WORD"
    )
    asked = parser.parse_args(argv)
    now = measure(ROOT, tuple(asked.folders))
    columns = [now.rows() | flows_structure(ROOT)]
    if asked.before:
        with tempfile.TemporaryDirectory() as folder:
            earlier = at_revision(asked.before, Path(folder))
            columns.insert(0, measure(earlier, PRODUCT).rows() | flows_structure(earlier))
    for name in columns[-1]:
        sys.stdout.write(f"{name:64}" + "".join(f"{column.get(name, ''):>10}" for column in columns) + "\n")
    for measured, places in sorted(now.places.items()) if asked.places else ():
        wanted = asked.places in measured and (not measured.startswith("class ") or len(places) > 1)
        for place in places if wanted else ():
            sys.stdout.write(f"{measured}: {place}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
