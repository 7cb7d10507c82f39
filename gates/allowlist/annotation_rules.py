"""Rules for annotations, which libraries may evaluate, and for class patterns, which read attributes."""

import ast

from gates import syntax
from gates.allowlist.call_rules import CallRules
from gates.allowlist.fixtures import gets_refused_fixture


class AnnotationRules(CallRules):
    """Annotations and class patterns."""

    def visit_arg(self, node: ast.arg) -> None:
        if self.is_test and gets_refused_fixture(node, self.parents, self.tree):
            self._refuse(
                node, "fixture", f"the fixture {node.arg} hands out pytest itself; use tmp_path and the like"
            )
        self._check_bound(node, node.arg)
        self._visit_annotation(node.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        self._visit_annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._check_match_args(node.target, node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._check_match_args(target, node.value)

    def _visit_annotation(self, annotation: ast.expr | None) -> None:
        """An annotation may be evaluated later, by a library too: texts in it are judged as what they say."""
        if annotation is None:
            return
        for node in ast.walk(annotation):
            if isinstance(node, ast.Call | ast.Lambda | ast.NamedExpr | ast.Await):
                self._refuse(annotation, "annotation", "an annotation does nothing; name a type")
                return
        literal = {
            id(inner)
            for node in ast.walk(annotation)
            if isinstance(node, ast.Subscript)
            and ast.unparse(node.value).split(".")[-1] in ("Literal", "Annotated")
            for inner in ast.walk(node.slice)
        }
        for node in ast.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in literal:
                self._visit_quoted(node)
            elif self.dispatches and isinstance(node, ast.Name) and not self._is_type_name(node.id):
                message = (
                    f"{node.id} in an annotation is not a type that the text shows; name the type itself"
                )
                self._refuse(annotation, "annotation", message)
        inside, self.in_annotation = self.in_annotation, True
        self.visit(annotation)
        self.in_annotation = inside

    def _is_type_name(self, name: str) -> bool:
        """Whether a name is a class or stands for a type; dispatch by type evaluates the texts in it."""
        scope = self.bindings.find_scope(name)
        if scope is None or name in scope.imports or name in self.classes.by_name:
            return True
        values = self.bindings.find_values(name)
        return bool(values) and all(self._is_type(value) for value in values)

    def _is_type(self, value: ast.expr) -> bool:
        match value:
            case ast.Name(id=name):
                return self._is_type_name(name)
            case ast.Constant(value=None) | ast.Attribute():
                return True
            case ast.Subscript(value=base, slice=index):
                items = index.elts if isinstance(index, ast.Tuple) else [index]
                return self._is_type(base) and all(map(self._is_type, items))
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self._is_type(left) and self._is_type(right)
            case ast.Call(func=function):
                found = self.bindings.resolve(function)
                return found is not None and found.path in ("typing.TypeVar", "typing.NewType")
        return False

    def _visit_quoted(self, node: ast.Constant) -> None:
        try:
            quoted = syntax.parse(str(node.value)).body
        except (SyntaxError, ValueError):
            quoted = []
        if len(quoted) != 1 or not isinstance(quoted[0], ast.Expr):
            self._refuse(node, "annotation", "the text of an annotation is not a type")
            return
        expression = quoted[0].value
        for inner in ast.walk(expression):
            # Findings carry the line of the text, not of what is in it.
            if "lineno" in inner._attributes:
                ast.copy_location(inner, node)
        # A type may be quoted twice, and a third time is a trick.
        if not isinstance(expression, ast.Constant):
            self._visit_annotation(expression)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            self._check_named(node, None, name)
        if node.patterns and not self._has_known_positions(node.cls):
            message = "the positions of this class pattern are not known; name the attributes"
            self._refuse(node, "pattern", message)
        self.generic_visit(node)

    def _has_known_positions(self, kind: ast.expr) -> bool:
        if isinstance(kind, ast.Name) and self.bindings.is_builtin(kind.id):
            return True
        found = self.bindings.resolve(kind)
        if found is not None:
            return self._is_own(found.path)
        return isinstance(kind, ast.Name) and self.classes.has_known_positions(kind.id)

    def _check_match_args(self, target: ast.expr, value: ast.expr) -> None:
        name = getattr(target, "id", getattr(target, "attr", ""))
        if name != "__match_args__":
            return
        items = value.elts if isinstance(value, ast.Tuple) else [value]
        for item in items:
            if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
                self._refuse(
                    target, "pattern", "__match_args__ is not computed; write a tuple of literal names"
                )
                return
            self._check_named(target, None, item.value)
