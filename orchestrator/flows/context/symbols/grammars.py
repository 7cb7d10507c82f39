"""Finds definitions in languages other than Python by tree-sitter: a grammar and a query for each."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from orchestrator.flows.context.symbols.base import Definition

_JAVASCRIPT_QUERY = """
(class_declaration name: (_) @name)
(function_declaration name: (_) @name)
(generator_function_declaration name: (_) @name)
(method_definition name: (_) @name)
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)])
"""
_TYPESCRIPT_QUERY = (
    _JAVASCRIPT_QUERY
    + """
(abstract_class_declaration name: (_) @name)
(interface_declaration name: (_) @name)
(type_alias_declaration name: (_) @name)
(enum_declaration name: (_) @name)
"""
)
_GO_QUERY = """
(function_declaration name: (_) @name)
(method_declaration name: (_) @name)
(type_spec name: (_) @name)
"""
_JAVA_QUERY = """
(class_declaration name: (_) @name)
(interface_declaration name: (_) @name)
(enum_declaration name: (_) @name)
(record_declaration name: (_) @name)
(method_declaration name: (_) @name)
(constructor_declaration name: (_) @name)
"""


@dataclass(slots=True)
class GrammarLanguage:
    """A grammar and its query, loaded when first used."""

    load_grammar: Callable[[], object]
    query: str
    # A parser must not be shared between threads, so each thread makes its own.
    _local: threading.local = field(default_factory=threading.local)

    def __call__(self, text: str) -> tuple[Definition, ...]:
        if not hasattr(self._local, "parser"):
            grammar = Language(self.load_grammar())
            self._local.parser = Parser(grammar)
            self._local.query = Query(grammar, self.query)
        tree = self._local.parser.parse(text.encode())
        names = QueryCursor(self._local.query).captures(tree.root_node).get("name", [])
        # Two patterns of a query may capture the same name, so this is a set.
        found = {_locate_definition(node) for node in names}
        return tuple(
            sorted(found, key=lambda definition: (definition.first, definition.end, definition.name))
        )


def _locate_definition(name: Node) -> Definition:
    """The signature: from the first line of the definition to the line where its body begins."""
    whole = name.parent or name
    body = whole.child_by_field_name("body")
    last = name.end_point[0] if body is None else body.start_point[0]
    return Definition((name.text or b"").decode("utf-8", "replace"), whole.start_point[0], last + 1)


JAVASCRIPT = GrammarLanguage(tree_sitter_javascript.language, _JAVASCRIPT_QUERY)
TYPESCRIPT = GrammarLanguage(tree_sitter_typescript.language_typescript, _TYPESCRIPT_QUERY)
TSX = GrammarLanguage(tree_sitter_typescript.language_tsx, _TYPESCRIPT_QUERY)
GO = GrammarLanguage(tree_sitter_go.language, _GO_QUERY)
JAVA = GrammarLanguage(tree_sitter_java.language, _JAVA_QUERY)
