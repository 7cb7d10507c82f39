"""Rules for calls: what their arguments reach, and what they need."""

import ast

from gates.allowlist import places, queries, words
from gates.allowlist.attribute_rules import AttributeRules
from gates.allowlist.capabilities import PARSERS, call_capabilities, is_opener, method_capability
from gates.allowlist.library import needed_capability
from gates.allowlist.name_rules import COPIERS, TAKES_NAMES
from gates.allowlist.packages import evaluates_text, package_call_capability
from gates.allowlist.patches import find_patch_refusals

# Beside the names of the library that need a capability for files.
_OPENED_BY_PATH = frozenset(
    {"open", "io.open", "io.FileIO", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "sqlite3.connect"}
)
_METACLASSES = frozenset({"abc.ABCMeta", "enum.EnumMeta", "enum.EnumType"})


class CallRules(AttributeRules):
    """Calls."""

    def visit_Call(self, node: ast.Call) -> None:
        path = self._called_path(node)
        self._check_called(node, path)
        needed = call_capabilities(path, node, self.bindings)
        for capability in sorted({*needed, *package_call_capability(path, node, self.bindings)}):
            self._use(node, capability, path)
        self._check_query(node)
        self._check_places(node, path)
        if self.is_test or self._patches(path):
            for refusal in find_patch_refusals(node, path, self.own, self.bindings):
                self.refusals.append(refusal)
        self._visit_called(node.func, path)
        for argument in [*node.args, *node.keywords]:
            self.visit(argument)

    def _check_called(self, node: ast.Call, path: str) -> None:
        """Calls that reach names or attributes which are handed over."""
        if path == "getattr":
            self._check_getattr(node)
        elif path in TAKES_NAMES:
            self._check_literal_names(node, path)
        elif path in ("logging.Formatter", "logging.basicConfig"):
            self._check_style(node)
        elif path in COPIERS:
            self._check_copier(node, path)
        elif path == "pytest.mark.usefixtures":
            self._check_fixtures(node)
        elif path == "type" and len(node.args) != 1:
            self._refuse(node, "builtin", "type makes a class out of values; write a class")
        elif evaluates_text(node, self.taken, self.bindings):
            self._refuse(node, "builtin", "a text that is evaluated is literal; write out what it computes")
        elif path in _METACLASSES or self._makes_class(node):
            self._refuse(node, "builtin", "a metaclass is not called; write a class")

    def _called_path(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Name) and self.bindings.is_builtin(node.func.id):
            return node.func.id
        found = self.bindings.resolve(node.func)
        if found is not None:
            return found.path
        # The parser may come from anywhere; without words it reads the command line.
        if isinstance(node.func, ast.Attribute) and node.func.attr in PARSERS:
            return f"argparse.ArgumentParser.{node.func.attr}"
        return ""

    def _check_copier(self, node: ast.Call, path: str) -> None:
        """``wraps(function)`` copies names that the library chooses; others could be any."""
        most = 1 if path.endswith("wraps") else 2
        if len(node.args) > most or any(
            keyword.arg not in ("wrapper", "wrapped") for keyword in node.keywords
        ):
            self._refuse(node, "builtin", f"{path} copies what the library chooses; name no attributes")

    def _check_fixtures(self, node: ast.Call) -> None:
        for argument in node.args:
            texts = self.bindings.find_literals(argument)
            if texts is None or not words.REFUSED_FIXTURES.isdisjoint(texts):
                self._refuse(
                    node, "fixture", "usefixtures hides its names; write literal ones that tests may use"
                )

    def _makes_class(self, node: ast.Call) -> bool:
        """Whether a call may be one of ``type(...)`` of a class, with name, bases and attributes."""
        functions = [node.func]
        if isinstance(node.func, ast.Name):
            functions += self.bindings.find_values(node.func.id)
        for function in functions:
            match function:
                case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name)]):
                    # Name, bases, attributes.
                    if name not in ("self", "cls") and len(node.args) == 3:
                        return True
        return False

    def _check_query(self, node: ast.Call) -> None:
        """SQL that may open files, in a file that uses a database."""
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr not in queries.METHODS:
            return
        if not self.uses_database or self.classes.holds_value(function.value):
            return
        if queries.reaches_files(node, function.attr, self.bindings):
            for capability in ("files:read", "files:write"):
                self._use(
                    node, capability, "SQL that does not begin with a literal statement on the database"
                )

    def _check_places(self, node: ast.Call, path: str) -> None:
        """Paths that are handed to what opens files."""
        opened: list[ast.expr]
        if path in ("pathlib.Path", "pathlib.PosixPath"):
            # A path that nobody opens is only a text; what opens it asks for a capability.
            opened = [node] if not self.is_test and self._opens_files() else []
        elif path in _OPENED_BY_PATH or needed_capability(path).startswith("files:"):
            opened = node.args[:2]
        elif isinstance(node.func, ast.Attribute) and method_capability(node.func.attr):
            opened = [node.func.value]
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "chdir" and self.is_test:
            opened = node.args[:1]
        else:
            return
        for each in opened:
            if text := places.leads_out(each, self.bindings):
                message = f"{text[:60]!r} leads out of the block's folder; take paths as arguments"
                self._refuse(node, "path", message)

    def _opens_files(self) -> bool:
        return any(use.capability.startswith("files:") for use in self.uses)

    def _visit_called(self, function: ast.expr, path: str) -> None:
        """The function of a call: what is only judged as a value is not judged again."""
        judged_by_arguments = path in ("getattr", "open") or path in TAKES_NAMES or path in COPIERS
        if isinstance(function, ast.Name) and (judged_by_arguments or is_opener(path) or self._patches(path)):
            return
        if isinstance(function, ast.Attribute):
            self.called.add(id(function))
            self._check_attribute(function)
            self._visit_base(function.value)
        else:
            self.visit(function)

    def _check_getattr(self, node: ast.Call) -> None:
        name = node.args[1] if len(node.args) > 1 else None
        # A name in a variable is not followed: written out, it would be an attribute.
        is_written_out = name is not None and not isinstance(name, ast.Name)
        texts = self.bindings.find_literals(name) if name is not None and is_written_out else None
        if texts is None:
            message = "getattr with a name that is not literal may read anything; write value.name"
            self._refuse(node, "builtin", message)
            return
        for text in texts:
            self._check_named(node, node.args[0], text)

    def _check_named(self, node: ast.AST, owner: ast.expr | None, text: str) -> None:
        """An attribute that is named by a text is judged like one that is written with a dot."""
        base = owner if owner is not None else ast.Name(id="value", ctx=ast.Load())
        for name in text.split("."):
            attribute = ast.Attribute(value=base, attr=name, ctx=ast.Load())
            self._check_attribute(ast.copy_location(attribute, node))
            base = ast.Constant(value=None)

    def _check_literal_names(self, node: ast.Call, path: str) -> None:
        arguments = node.args[1:2] if path.endswith("namedtuple") else node.args
        arguments = arguments[:1] if path.endswith("methodcaller") else arguments
        for argument in arguments:
            items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
            for item in items:
                texts = self.bindings.find_literals(item)
                if texts is None:
                    message = f"{path} takes literal names only; write them out, or value.name"
                    self._refuse(node, "builtin", message)
                    return
                for text in " ".join(texts).replace(",", " ").split():
                    self._check_named(node, None, text)

    def _check_style(self, node: ast.Call) -> None:
        styles = [keyword.value for keyword in node.keywords if keyword.arg == "style"] + node.args[2:3]
        for style in styles:
            if self.bindings.find_literals(style) not in (["%"], ["$"]):
                self._refuse(node, "format", 'a log format in the style "{" may read any attribute; use "%"')
