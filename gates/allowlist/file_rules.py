"""All rules for one file, with the scopes that its definitions open."""

import ast
from collections.abc import Iterable
from dataclasses import replace

from gates.allowlist.annotation_rules import AnnotationRules
from gates.allowlist.bindings import read_scope


class FileRules(AnnotationRules):
    """Definitions, and everything inside them."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._check_bound(node, node.name)
        for part in [*node.decorator_list, *node.bases]:
            self.visit(part)
        for keyword in node.keywords:
            if keyword.arg == "metaclass" and ast.unparse(keyword.value).split(".")[-1] not in (
                "ABCMeta",
                "EnumMeta",
                "EnumType",
            ):
                self._refuse(
                    node, "builtin", "a metaclass of one's own is not allowed; use __init_subclass__"
                )
            self.visit(keyword)
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id == "type" and self.bindings.is_builtin("type"):
                self._refuse(
                    node, "builtin", "a metaclass of one's own is not allowed; use __init_subclass__"
                )
        self.around.append(node)
        self._visit_in_scope(node, node.body)
        self.around.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._check_bound(node, node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._visit_arguments(node.args)
        self._visit_annotation(node.returns)
        self._visit_in_scope(node, node.body, self._list_fixtures(node))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_arguments(node.args)
        self._visit_in_scope(node, [node.body])

    def _visit_arguments(self, arguments: ast.arguments) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [rest for rest in (arguments.vararg, arguments.kwarg) if rest is not None]
        for argument in every:
            self.visit(argument)
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.visit(default)

    def _visit_comprehension(self, node: ast.AST) -> None:
        self._visit_in_scope(node, ast.iter_child_nodes(node))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension  # noqa: N815

    def _list_fixtures(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
        found = [self.bindings.resolve(decorator) for decorator in node.decorator_list]
        found += [
            self.bindings.resolve(each.func) for each in node.decorator_list if isinstance(each, ast.Call)
        ]
        is_fixture = any(each is not None and each.path == "pytest.fixture" for each in found)
        takes = is_fixture or node.name.startswith(("test", "setup", "teardown"))
        return frozenset(argument.arg for argument in node.args.args if takes)

    def _visit_in_scope(
        self, node: ast.AST, body: Iterable[ast.AST], fixtures: frozenset[str] = frozenset()
    ) -> None:
        self.bindings.scopes.append(replace(read_scope(node), fixtures=fixtures))
        for statement in body:
            self.visit(statement)
        self.bindings.scopes.pop()
