"""``python -m tests.style.measure [FOLDER ...]``: how the code reads, in figures.

Without folders the whole product is measured. ``--before REVISION`` prints a second column for an earlier
commit, and ``--places WORD`` lists where each measure whose name has WORD was exceeded.
"""

import argparse
import ast
import builtins
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
# Scripts that attack the sandbox are data of a test, not code that anybody calls. Migrations are written
# once.
LEFT_OUT = ("/migrations/", "/attacks/scripts/", "/__pycache__/", "/build/")
# Upper case on purpose: a sentence has "select" and "update" too. Fragments count, or one split statement
# would count only in part.
SQL = re.compile(
    r"\b(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+(\w+\s+)?SET\s|DELETE\s+FROM\s|ON\s+CONFLICT\s|ORDER\s+BY\s"
    r"|WHERE\s|CREATE\s+(OR\s+REPLACE\s+)?(FUNCTION|TABLE|TRIGGER|INDEX)\s"
    r"|WITH\s+\w+\s+AS\s+(MATERIALIZED\s+)?\()"
)
# A marker for a tool explains nothing, unless a reason follows it after a dash or a second "#".
MARKER = re.compile(r"#\s*(noqa|type: ignore|pragma: no|fmt:|ruff:|mypy:)[^-#]*")
RULER = re.compile(r"[#!\s=*~_-]*")
# Names that Django looks for, so that every app has them.
FRAMEWORK_CLASSES = {"Meta", "Command", "Migration", "Media"}
BUILT_IN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
LOADERS = {"import_module", "import_string", "__import__", "iter_modules", "walk_packages", "entry_points"}
# Fewer than three implementations in one literal may be a coincidence.
SMALLEST_TABLE = 3


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

    @property
    def one_word_share(self) -> float:
        """One-word function names in per cent of all."""
        return 100 * self.one_word / max(1, self.functions)

    @property
    def comment_share(self) -> float:
        """Comments in each 100 lines."""
        return 100 * self.comments / max(1, self.lines)

    @property
    def doubled_classes(self) -> list[str]:
        """Names that more than one class has, sorted."""
        return sorted(name for name, count in self.classes.items() if count > 1)

    def rows(self) -> dict[str, str]:
        """Name of each measure and its value, in the order in which they are printed."""
        return {
            "Python files": str(self.files),
            "lines": str(self.lines),
            "one-word function names, %": f"{self.one_word_share:.1f}",
            f"lines over {LONGEST_LINE} characters": str(self.long_lines),
            "comments per 100 lines": f"{self.comment_share:.1f}",
            "class names used twice": str(len(self.doubled_classes)),
            "lines of SQL in Python literals": str(self.sql_lines),
            "lines with two conditional expressions or two comprehensions": str(self.crowded_lines),
            "bases of errors with a code of their own": str(self.error_bases),
            "forms of registries": str(self.registries),
        }


@dataclass(frozen=True)
class Source:
    """One Python file: its path relative to the root, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    def place(self, node: ast.AST) -> str:
        """Where ``node`` is, as ``path:line``."""
        return f"{self.name}:{getattr(node, 'lineno', 1)}"


def find_sources(root: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    """The Python files of ``folders`` below ``root`` that count, sorted."""
    for folder in folders:
        start = root / folder
        for path in [start] if start.is_file() else sorted(start.rglob("*.py")):
            if not any(part in f"/{path.relative_to(root)}" for part in LEFT_OUT):
                yield path


def measure(root: Path, folders: tuple[str, ...]) -> Measured:
    """Measure every Python file of ``folders``; raises ``SyntaxError`` for one that is not Python."""
    found = Measured()
    for path in find_sources(root, folders):
        add_source(found, str(path.relative_to(root)), path.read_text(encoding="utf-8"))
    return found


def add_source(found: Measured, name: str, text: str) -> None:
    """Add the counts of one file with the path ``name`` and the content ``text``."""
    source = Source(name, text, ast.parse(text))
    found.files += 1
    _count_lines(found, source)
    _count_comments(found, source)
    _count_crowded_lines(found, source)
    _count_sql(found, source)
    _count_registries(found, source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _count_function(found, node.name, source.place(node))
        elif isinstance(node, ast.ClassDef):
            _count_class(found, node, source.place(node))


def _count_lines(found: Measured, source: Source) -> None:
    lines = source.text.splitlines()
    found.lines += len(lines)
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            found.long_lines += 1
            found.places["long line"].append(f"{source.name}:{number}")


def _count_comments(found: Measured, source: Source) -> None:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        is_comment = token.type == tokenize.COMMENT
        if is_comment and not MARKER.fullmatch(token.string) and not RULER.fullmatch(token.string):
            found.comments += 1


def _count_crowded_lines(found: Measured, source: Source) -> None:
    crowd: Counter[tuple[int, str]] = Counter()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.IfExp):
            crowd[node.lineno, "if"] += 1
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            crowd[node.lineno, "for"] += 1
    for (number, kind), count in sorted(crowd.items()):
        if count > 1:
            found.crowded_lines += 1
            found.places["crowded line"].append(f"{source.name}:{number} {kind} x{count}")


def _count_function(found: Measured, function: str, place: str) -> None:
    if function.startswith("__") and function.endswith("__"):
        return
    found.functions += 1
    if "_" not in function.strip("_"):
        found.one_word += 1
        found.places["one-word function"].append(f"{place} {function}")


def _count_class(found: Measured, node: ast.ClassDef, place: str) -> None:
    if node.name not in FRAMEWORK_CLASSES:
        found.classes[node.name] += 1
        found.places[f"class {node.name}"].append(place)
    bases = {ast.unparse(base) for base in node.bases}
    if bases & BUILT_IN_ERRORS and "code" in _find_members(node):
        found.error_bases += 1
        found.places["error base"].append(f"{place} {node.name}")


def _find_members(node: ast.ClassDef) -> set[str]:
    """Names that the body of a class assigns, and attributes that its methods set."""
    members = {
        item.attr
        for item in ast.walk(node)
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store)
    }
    for statement in node.body:
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        )
        members |= {target.id for target in targets if isinstance(target, ast.Name)}
    return members


def _count_sql(found: Measured, source: Source) -> None:
    """Count source lines, so that a statement glued together from short literals counts like one in triple
    quotes.
    """
    parts_of_others = _find_docstrings(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.JoinedStr):
            parts_of_others.update(id(part) for part in ast.walk(node) if part is not node)
        if not isinstance(node, ast.Constant | ast.JoinedStr) or id(node) in parts_of_others:
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        literal = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        if SQL.search(literal):
            lines = source.text.splitlines()[node.lineno - 1 : node.end_lineno]
            count = len([line for line in lines if line.strip(" \"'")])
            found.sql_lines += count
            found.places["SQL literal"].append(f"{source.place(node)} {count} lines")


def _find_docstrings(tree: ast.Module) -> set[int]:
    """The ids of the nodes that are docstrings: prose may quote a statement."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def _count_registries(found: Measured, source: Source) -> None:
    """A table of implementations: the one class, a loader called by hand, or a literal that lists several
    classes.
    """
    if source.name == "orchestrator/core/registry.py":
        found.registries += 1
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _read_last_name(node.func) in LOADERS:
            found.registries += 1
            found.places["registry by hand"].append(f"{source.place(node)} {ast.unparse(node.func)}")
    homes = {
        alias.asname or alias.name: node.module
        for node in source.tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PRODUCT
        for alias in node.names
    }
    for statement in source.tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            listed = sorted(_list_classes(statement.value) & homes.keys())
            # Classes of one module are its values, errors for example. Implementations have a module each.
            if len({homes[name] for name in listed}) >= SMALLEST_TABLE:
                found.registries += 1
                found.places["registry by hand"].append(f"{source.place(statement)} {', '.join(listed)}")


def _read_last_name(called: ast.expr) -> str:
    """The name after the last dot of what is called; empty where it has none."""
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _list_classes(value: ast.expr) -> set[str]:
    """The names in a literal's items that look like classes: bare, called, or attributes of modules."""
    if isinstance(value, ast.Dict):
        items: list[ast.expr] = value.values
    elif isinstance(value, ast.Tuple | ast.List | ast.Set):
        items = value.elts
    else:
        return set()
    named = [item.func if isinstance(item, ast.Call) else item for item in items]
    roots = {ast.unparse(item).split(".")[0] for item in named}
    return {name for name in roots if not name.isupper()}


def flows_structure(root: Path) -> dict[str, str]:
    """Rooms (files and folders directly below ``orchestrator/flows``), floors and arrows between them.

    An arrow is a pair of rooms of which one imports from the other. It runs back where the imported room also
    reaches the importing one. A floor is a set of rooms that import only from floors below; rooms in a circle
    share one.
    """
    arrows: dict[str, set[str]] = defaultdict(set)
    rooms = set()
    for path in find_sources(root, (FLOWS,)):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) == len(Path(FLOWS).parts) + 1:
            continue
        room = parts[2]
        rooms.add(room)
        arrows[room] |= _find_flows_imports(path, parts) - {room}
    for room in rooms:
        arrows[room] &= rooms
    reach = {room: _find_reachable(room, arrows) for room in rooms}
    back = [(room, target) for room in rooms for target in arrows[room] if room in reach[target]]
    return {
        "rooms of flows": str(len(rooms)),
        "floors": str(_count_floors(arrows, reach)),
        "arrows between rooms": str(sum(len(targets) for targets in arrows.values())),
        "arrows that run back": str(len(back)),
    }


def _find_flows_imports(path: Path, parts: tuple[str, ...]) -> set[str]:
    """The rooms of flows that one module imports from."""
    rooms = set()
    package = parts if parts[-1] == "__init__" else parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for target in _find_targets(node, package):
            steps = target.split(".")
            if tuple(steps[:2]) == Path(FLOWS).parts and len(steps) > len(Path(FLOWS).parts):
                rooms.add(steps[2])
    return rooms


def _find_targets(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """The dotted names that an import statement of a module in ``package`` brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    # One dot is the package itself, each further dot the one around it.
    around = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
    source = ".".join(part for part in (around, node.module) if part)
    return [f"{source}.{alias.name}" for alias in node.names]


def _find_reachable(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        for target in arrows[queue.pop()] - seen:
            seen.add(target)
            queue.append(target)
    return seen


def _count_floors(arrows: dict[str, set[str]], reach: dict[str, set[str]]) -> int:
    """The rooms on the longest way down, where a circle counts once."""
    floors: dict[str, int] = {}

    def find_floor(room: str) -> int:
        if room not in floors:
            below = [target for target in reach[room] if room not in reach[target]]
            floors[room] = 1 + max((find_floor(target) for target in below), default=0)
        return floors[room]

    return max((find_floor(room) for room in arrows), default=0)


def unpack_revision(revision: str, into: Path) -> Path:
    """Unpack the tree of ``revision`` below ``into``."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
    return into


def print_places(found: Measured, word: str) -> None:
    """Print where each measure whose name has ``word`` was exceeded."""
    for name, places in sorted(found.places.items()):
        is_single_class = name.startswith("class ") and len(places) == 1
        for place in places if word in name and not is_single_class else ():
            sys.stdout.write(f"{name}: {place}\n")


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
            earlier = unpack_revision(asked.before, Path(folder))
            columns.insert(0, measure(earlier, PRODUCT).rows() | flows_structure(earlier))
    for name in columns[-1]:
        cells = "".join(f"{column.get(name, ''):>10}" for column in columns)
        sys.stdout.write(f"{name:64}{cells}\n")
    if asked.places:
        print_places(now, asked.places)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
