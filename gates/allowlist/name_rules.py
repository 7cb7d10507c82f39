"""Rules for what a file imports, for the names that it reads and sets, and for its texts."""

import ast

from gates.allowlist import import_time, queries, words
from gates.allowlist.bindings import Reference
from gates.allowlist.capabilities import is_opener, value_capabilities
from gates.allowlist.file_walk import FileWalk
from gates.allowlist.library import is_library_module, is_public_name, needed_capability

# These take a name as text, so they are called at once, with literal names.
TAKES_NAMES = frozenset({"operator.attrgetter", "operator.methodcaller", "collections.namedtuple"})
# These set attributes by names that are handed over.
COPIERS = frozenset({"functools.update_wrapper", "functools.wraps"})
_NAME_READERS = frozenset({"logging.getLogger", "logging.LoggerAdapter"})
# With the result of `id` these compute.
_NUMBER_FUNCTIONS = frozenset(
    """
    bin bool divmod float format hex int max min oct round sorted str sum
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_IMPORTABLE = "; docs/reference/gates.md lists what may be imported"


class NameRules(FileWalk):
    """Imports, names, texts."""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name not in self.modules and not self._is_own(alias.name):
                self._refuse(node, "import", f"import of {alias.name} is not allowed{_IMPORTABLE}")
            self._check_bound(node, alias.asname or alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self._refuse(
                node, "import", "a relative import has no package here; import the module by its name"
            )
            return
        module = node.module or ""
        for alias in node.names:
            if alias.name == "*":
                self._refuse(
                    node, "import", f"a star import hides what it takes; name what you need of {module}"
                )
                continue
            self._check_bound(node, alias.asname or alias.name)
            self._check_from_import(node, module, alias.name)

    def _check_from_import(self, node: ast.ImportFrom, module: str, name: str) -> None:
        if self._is_own(module):
            if words.is_hidden(name):
                self._refuse(node, "import", f"import of {name} from {module} is not allowed")
            elif words.is_private(name) and name not in self.private:
                self._refuse(node, "private", f"{name} is private to {module}; use a public name")
            return
        path = f"{module}.{name}"
        known = module in self.modules or path in self.modules
        if not known:
            self._refuse(node, "import", f"import of {module} is not allowed{_IMPORTABLE}")
        elif not is_public_name(module, name):
            message = f"{name} is not a name of {module} that code may use; {words.WITHOUT_IT}"
            self._refuse(node, "import", message)
        elif is_library_module(path) and path not in self.modules:
            self._refuse(node, "import", f"import of {path} is not allowed{_IMPORTABLE}")
        elif not is_opener(path):
            self._use(node, needed_capability(path), path)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._check_bound(node, node.id)
        elif words.is_hidden(node.id):
            message = f"{node.id} is not allowed, it leads to the interpreter; {words.WITHOUT_IT}"
            self._refuse(node, "attribute", message)
        elif node.id == "__name__" and not self.is_test and not self._names_a_logger(node):
            self._refuse(
                node, "attribute", "__name__ is for a logger and for the main check only; write the name"
            )
        elif self.bindings.is_builtin(node.id):
            self._check_builtin(node)
        elif self._is_request(node):
            self._refuse(node, "fixture", "request is pytest's own object; a fixture may use request.param")
        else:
            self._check_value(node, self.bindings.resolve(node))

    def _check_builtin(self, node: ast.Name) -> None:
        if node.id in words.REFUSED_BUILTINS:
            if not (self.is_test and node.id in ("setattr", "delattr")):
                self._refuse(node, "builtin", f"{node.id} is not allowed: write out what it would do")
        elif node.id == "getattr":
            self._refuse(node, "builtin", "getattr is called at once with a literal name; write value.name")
        elif node.id == "id" and self._computes_with(node):
            self._refuse(
                node, "builtin", "id says whether two things are the same; do not compute with an address"
            )
        elif node.id == "open":
            self._use_value(node, "open")

    def _check_bound(self, node: ast.AST, name: str) -> None:
        if name.startswith("pytest_"):
            self._refuse(node, "hook", f"{name} is a name that pytest acts on; choose another")
        elif words.is_hidden(name) or name in words.INTROSPECTION:
            self._refuse(node, "attribute", f"the name {name} is not allowed; choose another")

    def _check_value(self, node: ast.expr, found: Reference | None) -> None:
        """A name or attribute that is used as a value, not called and not taken apart."""
        if found is None or found.is_value:
            return
        path = found.path
        if is_library_module(path) or (path in self.own and not self.is_test):
            # A module in a variable would be out of sight.
            self._refuse(node, "module", f"{path} is used as a value; take the names you need from it")
        elif path in TAKES_NAMES or path in COPIERS or self._patches(path):
            self._refuse(node, "builtin", f"{path} is not a value; call it at once, with literal names")
        elif is_opener(path) and not self.in_annotation:
            self._use_value(node, path)

    def _use_value(self, node: ast.AST, path: str) -> None:
        """As a value, whose arguments are not known."""
        for capability in value_capabilities(path):
            self._use(node, capability, path)

    def _computes_with(self, node: ast.Name) -> bool:
        """Whether ``id`` is handed over as a key, or its result is used as a number."""
        call = self.parents.get(id(node))
        if isinstance(call, ast.keyword):
            return True
        if not (isinstance(call, ast.Call) and call.func is node):
            return False
        match self.parents.get(id(call)):
            case ast.BinOp() | ast.UnaryOp() | ast.FormattedValue() | ast.AugAssign():
                return True
            case ast.Compare(ops=signs):
                return any(isinstance(sign, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for sign in signs)
            case ast.Call(func=ast.Name(id=name)):
                return name in _NUMBER_FUNCTIONS
        return False

    def _names_a_logger(self, node: ast.AST) -> bool:
        """Whether ``__name__`` changes no result here: a logger's name, a message, the main check."""
        parent = self.parents.get(id(node))
        while isinstance(parent, ast.expr | ast.keyword | ast.Raise):
            match parent:
                case ast.Raise():
                    return True
                case ast.Compare():
                    return import_time.is_main_check(parent)
                case ast.Call(func=function):
                    found = self.bindings.resolve(function)
                    if found is not None and found.path in _NAME_READERS:
                        return True
            parent = self.parents.get(id(parent))
        return False

    def _patches(self, path: str) -> bool:
        return path.startswith("unittest.mock.patch")

    def _is_request(self, node: ast.expr) -> bool:
        """Whether ``node`` is the fixture of that name, rather than a word of the domain."""
        if not (self.is_test and isinstance(node, ast.Name) and node.id == "request"):
            return False
        scope = self.bindings.find_scope("request")
        return scope is not None and "request" in scope.fixtures

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and words.names_hidden_attribute(node.value):
            message = f"text {node.value[:40]!r} names an attribute that is not allowed; leave it out"
            self._refuse(node, "string", message)
        if isinstance(node.value, str) and not isinstance(self.parents.get(id(node)), ast.Expr):
            self._check_sql(node, node.value)

    def _check_sql(self, node: ast.expr, text: str) -> None:
        """A text that reads the clock or draws, in a file that uses a database."""
        if self.uses_database:
            self._use(node, queries.find_query_capability(text), f"SQL {text[:40]!r}")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        for text in self.bindings.find_literals(node) or []:
            if words.names_hidden_attribute(text):
                message = f"text {text[:40]!r} names an attribute that is not allowed; leave it out"
                self._refuse(node, "string", message)
            self._check_sql(node, text)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            if name in self.definitions:
                message = f"{name} is defined here: do not replace it while the program runs"
                self._refuse(node, "rebinding", message)
