"""The classes that a file defines: which expressions are values of them, and what their positions are."""

import ast

from gates.allowlist.bindings import Bindings

_TEXT_CLASSES = frozenset({"str", "bytes", "collections.UserString"})
_MAX_DEPTH = 10


class OwnClasses:
    """The classes of one file, and which expressions are values of one that is not a text."""

    def __init__(self, tree: ast.Module, bindings: Bindings) -> None:
        self._bindings = bindings
        every = list(ast.walk(tree))
        self.by_name = {node.name: node for node in every if isinstance(node, ast.ClassDef)}
        names = [node.name for node in every if isinstance(node, ast.ClassDef)]
        stored = {node.id for node in every if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        # A name that is set twice may be anything.
        self.ambiguous = {name for name in names if names.count(name) > 1 or name in stored}
        self._attributes: dict[str, list[ast.expr | None]] = {}
        for node in every:
            self._read_attributes(node)

    def _read_attributes(self, node: ast.AST) -> None:
        """What attributes of objects are set to, of any object."""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._read_target(target, value)
            case ast.AnnAssign(target=target, value=value):
                self._read_target(target, value)
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.withitem(optional_vars=target):
                self._read_target(target, None)

    def _read_target(self, target: ast.expr | None, value: ast.expr | None) -> None:
        if isinstance(target, ast.Attribute):
            self._attributes.setdefault(target.attr, []).append(value)

    def is_text(self, node: ast.ClassDef, depth: int = 0) -> bool:
        """Whether values of a class may be texts: it inherits from one, or from something unknown."""
        return any(self._is_text_base(base, depth) for base in node.bases)

    def _is_text_base(self, base: ast.expr, depth: int) -> bool:
        if isinstance(base, ast.Subscript):
            base = base.value
        if isinstance(base, ast.Name) and base.id in self.by_name and base.id not in self.ambiguous:
            return depth > _MAX_DEPTH or self.is_text(self.by_name[base.id], depth + 1)
        if isinstance(base, ast.Name) and self._bindings.is_builtin(base.id):
            return base.id in _TEXT_CLASSES
        found = self._bindings.resolve(base)
        return found is None or found.path in _TEXT_CLASSES or found.path.endswith("StrEnum")

    def holds_value(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether an expression is a value of one of these classes, as far as the text shows."""
        if depth > _MAX_DEPTH:
            return False
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in self.by_name:
                return name not in self.ambiguous and not self.is_text(self.by_name[name])
            case ast.Name(id=name):
                values = self._bindings.find_values(name)
                return bool(values) and all(self.holds_value(value, depth + 1) for value in values)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                set_to = self._attributes.get(name, [])
                known = [value is not None and self.holds_value(value, depth + 1) for value in set_to]
                return bool(known) and all(known)
            case ast.Subscript(value=table):
                entries = self._bindings.find_table_entries(table)
                return bool(entries) and all(self.holds_value(entry, depth + 1) for entry in entries)
        return False

    def has_known_positions(self, name: str, depth: int = 0) -> bool:
        """Whether a pattern of class ``name`` takes attributes that the text shows.

        A class that is set twice, or inherits from something that is computed, may have any.
        """
        if name not in self.by_name or name in self.ambiguous or depth > _MAX_DEPTH:
            return False
        return all(self._is_known_base(base, depth) for base in self.by_name[name].bases)

    def _is_known_base(self, base: ast.expr, depth: int) -> bool:
        if isinstance(base, ast.Subscript):
            base = base.value
        if not isinstance(base, ast.Name) or base.id not in self.by_name:
            found = self._bindings.resolve(base)
            is_builtin = isinstance(base, ast.Name) and self._bindings.is_builtin(base.id)
            return is_builtin or (found is not None and not found.is_value)
        return self.has_known_positions(base.id, depth + 1)
