"""What the rules over one file share: its names, scopes and classes, and where they put what they find."""

import ast

from gates.allowlist import words
from gates.allowlist.bindings import Bindings
from gates.allowlist.library import ALLOWED_MODULES, ALLOWED_TEST_MODULES
from gates.allowlist.own_classes import OwnClasses
from gates.allowlist.refusals import Refusal, Use

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class FileWalk(ast.NodeVisitor):
    """One walk over one file. ``refusals`` and ``uses`` fill as it goes."""

    def __init__(self, tree: ast.Module, own: frozenset[str], is_test: bool, private: frozenset[str]) -> None:
        self.tree, self.own, self.is_test = tree, own, is_test
        self.bindings = Bindings(tree)
        self.classes = OwnClasses(tree, self.bindings)
        self.parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.taken = _list_taken(tree)
        self.uses_database = any(each.startswith("sqlite3.") for each in self.taken)
        # The class in which the walk is, innermost last, and whether it is in an annotation.
        self.around: list[ast.ClassDef] = []
        self.in_annotation = False
        self.dispatches = any(each.startswith("functools.singledispatch") for each in self.taken)
        defined = [node for node in tree.body if isinstance(node, _DEFINITIONS)]
        self.definitions = frozenset(node.name for node in defined)
        self.private = private | list_private_names(tree)
        self.inherits_unknown = self._has_foreign_base()
        self.refusals: list[Refusal] = []
        # Attributes that are called where they stand, by id.
        self.called: set[int] = set()
        self.uses: list[Use] = []
        self.modules = ALLOWED_TEST_MODULES if is_test else ALLOWED_MODULES
        self.visit(tree)

    def _refuse(self, node: ast.AST, rule: str, message: str) -> None:
        self.refusals.append(Refusal(node, rule, message))

    def _use(self, node: ast.AST, capability: str, what: str) -> None:
        if capability:
            self.uses.append(Use(node, capability, what))

    def _has_foreign_base(self) -> bool:
        bases = [base for node in self.classes.by_name.values() for base in node.bases]
        return any((found := self.bindings.resolve(base)) and self._is_own(found.path) for base in bases)

    def _is_own(self, path: str) -> bool:
        return path.split(".")[0] in self.own


def _list_taken(tree: ast.AST) -> frozenset[str]:
    """What a file takes from modules, wherever it does: ``module.name`` and, of its attributes, the first."""
    modules: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else ""
                found.add(f"{alias.name}.")
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            if root in modules:
                found.add(f"{modules[root] or root}.{rest}")
    return frozenset(found)


def list_private_names(tree: ast.Module) -> frozenset[str]:
    """The private names that a file defines itself: functions, classes, attributes that it sets."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Assign(
                targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=items) | ast.List(elts=items)
            ):
                found |= {str(item.value) for item in items if isinstance(item, ast.Constant)}
    return frozenset(name for name in found if words.is_private(name))
