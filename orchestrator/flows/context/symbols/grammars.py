"""Definitions of languages other than Python, by tree-sitter. A language is one entry: its grammar and its query."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser, Query, QueryCursor

from orchestrator.flows.context.symbols.base import Definition

_JAVASCRIPT = """
(class_declaration name: (_) @name)
(function_declaration name: (_) @name)
(generator_function_declaration name: (_) @name)
(method_definition name: (_) @name)
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)])
"""
_TYPESCRIPT = (
    _JAVASCRIPT
    + """
(abstract_class_declaration name: (_) @name)
(interface_declaration name: (_) @name)
(type_alias_declaration name: (_) @name)
(enum_declaration name: (_) @name)
"""
)
_GO = """
(function_declaration name: (_) @name)
(method_declaration name: (_) @name)
(type_spec name: (_) @name)
"""
_JAVA = """
(class_declaration name: (_) @name)
(interface_declaration name: (_) @name)
(enum_declaration name: (_) @name)
(record_declaration name: (_) @name)
(method_declaration name: (_) @name)
(constructor_declaration name: (_) @name)
"""


@dataclass(slots=True)
class _Parsed:
    """A grammar and its query, made at first use; parsers are not to be shared between threads."""

    pointer: Callable[[], object]
    source: str
    _local: threading.local = field(default_factory=threading.local)

    def __call__(self, text: str) -> tuple[Definition, ...]:
        if not hasattr(self._local, "parser"):
            grammar = Grammar(self.pointer())
            self._local.parser, self._local.query = Parser(grammar), Query(grammar, self.source)
        tree = self._local.parser.parse(text.encode())
        names = QueryCursor(self._local.query).captures(tree.root_node).get("name", [])
        found = {_defined(node) for node in names}
        return tuple(sorted(found, key=lambda one: (one.first, one.end, one.name)))


def _defined(name: Node) -> Definition:
    """The signature goes from the definition's first line to the one where its body begins."""
    whole = name.parent or name
    body = whole.child_by_field_name("body")
    last = body.start_point[0] if body is not None else name.end_point[0]
    return Definition((name.text or b"").decode("utf-8", "replace"), whole.start_point[0], last + 1)


_SCRIPT = _Parsed(tree_sitter_javascript.language, _JAVASCRIPT)
_TYPED = _Parsed(tree_sitter_typescript.language_typescript, _TYPESCRIPT)
_TYPED_MARKUP = _Parsed(tree_sitter_typescript.language_tsx, _TYPESCRIPT)

GRAMMARS: Mapping[str, _Parsed] = {
    ".js": _SCRIPT,
    ".jsx": _SCRIPT,
    ".mjs": _SCRIPT,
    ".cjs": _SCRIPT,
    ".ts": _TYPED,
    ".mts": _TYPED,
    ".cts": _TYPED,
    ".tsx": _TYPED_MARKUP,
    ".go": _Parsed(tree_sitter_go.language, _GO),
    ".java": _Parsed(tree_sitter_java.language, _JAVA),
}
