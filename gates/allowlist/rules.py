"""The rules for one file: what it imports, reads, calls and names. Refusals say what to write instead."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gates import syntax
from gates.allowlist import identifiers, import_time, words
from gates.allowlist.addressed import find_addressed_text
from gates.allowlist.bindings import Bindings, Reference, read_scope
from gates.allowlist.capabilities import (
    CAPABILITIES,
    GRANTED_TO_TESTS,
    OUTSIDE,
    call_capabilities,
    is_opener,
    member_capability,
    method_capability,
)
from gates.allowlist.library import (
    ALLOWED_MODULES,
    ALLOWED_TEST_MODULES,
    is_library_module,
    is_public_name,
    needed_capability,
)
from gates.allowlist.patches import PATCHING_METHODS, find_patch_refusals
from gates.allowlist.refusals import Refusal, Use
from gates.base import Finding

# These take a name as text, so they are called at once, with literal names.
_TAKES_NAMES = frozenset({"operator.attrgetter", "operator.methodcaller", "collections.namedtuple"})
_REQUEST_ATTRIBUTES = frozenset({"param", "addfinalizer"})
_REFUSED_MEMBERS = frozenset(
    {
        "hypothesis.settings.load_profile",
        "hypothesis.settings.register_profile",
        "hypothesis.settings.default",
    }
)
_MARKS = frozenset({"parametrize", "usefixtures", "filterwarnings"})
_STDLIB = frozenset(sys.stdlib_module_names)
_IMPORTABLE = "; docs/reference/gates.md lists what may be imported"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FORMAT_CURE = "use an f-string, or call format on a literal text"


def find_refusals(
    path: str,
    source: str,
    own: Iterable[str],
    is_test: bool,
    capabilities: Iterable[str] = (),
    private: Iterable[str] = (),
    others: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """What ``source`` does and may not do.

    ``own`` names the modules of the block and of its repo, ``capabilities`` what the contract declares, and
    ``private`` the private names of the block's other files. ``others`` are the texts of the block's private
    modules, by name: what they do on import is followed into them.
    """
    tree = syntax.parse(source)
    found = {_make_finding(path, refusal) for refusal in _judge(tree, own, is_test, capabilities, private)}
    found |= {_make_finding(path, refusal) for refusal in identifiers.find_confusable(tree, source)}
    found |= set(_find_outside_paths(path, tree, is_error=not is_test and _handles_files(capabilities)))
    for line, words_found in find_addressed_text(source):
        message = f"{words_found[:80]!r} speaks to a judge of the block; write for people who change it"
        found.add(Finding("allowlist-addressed", message, path=path, line=line, end_line=line))
    if not is_test:
        modules = {name: syntax.parse(text) for name, text in (others or {}).items()}
        actions = import_time.find_actions(tree, frozenset(own), modules)
        found |= {_make_finding(path, refusal) for refusal in actions}
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.rule, finding.message)))


def _handles_files(capabilities: Iterable[str]) -> bool:
    return not {"files:read", "files:write"}.isdisjoint(capabilities)


def _find_outside_paths(path: str, tree: ast.Module, *, is_error: bool) -> Iterator[Finding]:
    """Texts that name a place outside the folder of the block.

    Where the block may handle files they are refused; elsewhere nothing opens them, and they are shown.
    """
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if words.names_outside_path(node.value):
            message = f"text {node.value[:60]!r} names a place outside the block's folder"
            severity = "error" if is_error else "note"
            message += "; take paths as arguments"
            end_line = node.end_lineno or node.lineno
            yield Finding("allowlist-path", message, severity, path, node.lineno, end_line)


def find_used_capabilities(source: str, own: Iterable[str]) -> frozenset[str]:
    """The capabilities that a module uses, declared or not."""
    visitor = _FileRules(syntax.parse(source), frozenset(own), is_test=False, private=frozenset())
    return frozenset(use.capability for use in visitor.uses)


def find_private_names(source: str) -> frozenset[str]:
    """The private names that a module defines, which its own tests may use."""
    return _list_private_names(syntax.parse(source))


def _judge(
    tree: ast.Module, own: Iterable[str], is_test: bool, capabilities: Iterable[str], private: Iterable[str]
) -> Iterator[Refusal]:
    visitor = _FileRules(tree, frozenset(own), is_test, frozenset(private))
    yield from visitor.refusals
    allowed = frozenset(capabilities) | (GRANTED_TO_TESTS if is_test else frozenset())
    for use in visitor.uses:
        if use.capability not in allowed:
            may = CAPABILITIES[use.capability]
            message = f"{use.what} needs the capability {use.capability} ({may})"
            yield Refusal(use.node, "capability", f"{message}, which is not declared or not allowed")


def _make_finding(path: str, refusal: Refusal) -> Finding:
    line = getattr(refusal.node, "lineno", 0)
    end = getattr(refusal.node, "end_lineno", 0) or 0
    return Finding(f"allowlist-{refusal.rule}", refusal.message, path=path, line=line, end_line=end)


class _FileRules(ast.NodeVisitor):
    """One walk over one file. ``refusals`` and ``uses`` fill as it goes."""

    def __init__(self, tree: ast.Module, own: frozenset[str], is_test: bool, private: frozenset[str]) -> None:
        self.own, self.is_test = own, is_test
        self.bindings = Bindings(tree)
        self.classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        defined = [node for node in tree.body if isinstance(node, _DEFINITIONS)]
        self.definitions = frozenset(node.name for node in defined)
        self.private = private | _list_private_names(tree)
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
        bases = [base for node in self.classes.values() for base in node.bases]
        return any((found := self.bindings.resolve(base)) and self._is_own(found.path) for base in bases)

    def _is_own(self, path: str) -> bool:
        return path.split(".")[0] in self.own

    # Imports

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
            return
        path = f"{module}.{name}"
        known = module in self.modules or path in self.modules
        if not known:
            self._refuse(node, "import", f"import of {module} is not allowed{_IMPORTABLE}")
        elif not is_public_name(module, name):
            self._refuse(node, "import", f"{name} is not a name of {module} that code may use")
        elif is_library_module(path) and path not in self.modules:
            self._refuse(node, "import", f"import of {path} is not allowed{_IMPORTABLE}")
        elif not is_opener(path):
            self._use(node, needed_capability(path), path)

    # Names

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._check_bound(node, node.id)
            return
        if words.is_hidden(node.id):
            self._refuse(node, "attribute", f"{node.id} is not allowed: it leads to the interpreter")
            return
        builtin = self.bindings.is_builtin(node.id)
        if node.id in words.REFUSED_BUILTINS and builtin:
            if not (self.is_test and node.id in ("setattr", "delattr")):
                self._refuse(node, "builtin", f"{node.id} is not allowed: write out what it would do")
        elif builtin and node.id == "getattr":
            self._refuse(node, "builtin", "getattr is called with a literal name or not at all")
        elif builtin and node.id == "open":
            self._use_files(node, "open")
        elif self._is_request(node):
            self._refuse(node, "fixture", "request is pytest's own object; a fixture may use request.param")
        elif not builtin:
            self._check_value(node, self.bindings.resolve(node))

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
        elif path in _TAKES_NAMES or self._patches(path):
            self._refuse(node, "builtin", f"{path} is called at once, with literal names")
        elif is_opener(path):
            self._use_files(node, path)

    def _use_files(self, node: ast.AST, what: str) -> None:
        # As a value its arguments are not known.
        needed = ("randomness",) if what == "random.Random" else ("files:read", "files:write")
        for capability in needed:
            self._use(node, capability, what)

    def _patches(self, path: str) -> bool:
        return path.startswith("unittest.mock.patch")

    # Attributes

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._check_attribute(node)
        if isinstance(node.ctx, ast.Load):
            self._check_value(node, self._resolve_library(node))
        self._visit_base(node.value)

    def _visit_base(self, base: ast.expr) -> None:
        match base:
            case ast.Name() if self._is_request(base):
                return
            # A dot may follow a module; its other uses are judged in `_check_value`.
            case ast.Name() if (found := self.bindings.resolve(base)) and not found.is_value:
                if self.bindings.is_builtin(base.id):
                    self.visit(base)
            case ast.Attribute():
                self._check_attribute(base)
                self._visit_base(base.value)
            case _:
                self.visit(base)

    def _resolve_library(self, node: ast.expr) -> Reference | None:
        return self.bindings.resolve(node)

    def _check_attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if words.is_hidden(name) or name in words.INTROSPECTION or name in words.MODULE_HOLDERS:
            self._refuse(node, "attribute", f"attribute {name} is not allowed: it leads to the interpreter")
            return
        base = self.bindings.resolve(node.value)
        if base is None:
            self._check_unknown(node, name)
        elif self._is_own(base.path):
            self._check_own(node, base, name)
        elif base.path in self.modules or is_library_module(base.path):
            self._check_library(node, base.path, name)
        else:
            self._check_member(node, base, name)

    def _check_unknown(self, node: ast.Attribute, name: str) -> None:
        if words.is_private(name):
            self._check_private(node, name)
        elif name in ("format", "format_map") and not self._is_super(node.value):
            self._check_format(node)
        elif name == "parse_args":
            return
        else:
            self._use(node, method_capability(name), f".{name}()")
        if self.is_test and name in PATCHING_METHODS and id(node) not in self.called:
            self._refuse(node, "patch", f"{name} is called at once, with the name as literal text")
        if self._is_request(node.value) and name not in _REQUEST_ATTRIBUTES:
            self._refuse(node, "fixture", f"request.{name} is not allowed; a fixture may use request.param")

    def _is_request(self, node: ast.expr) -> bool:
        """Whether ``node`` is the fixture of that name, rather than a word of the domain."""
        if not (self.is_test and isinstance(node, ast.Name) and node.id == "request"):
            return False
        scope = self.bindings.find_scope("request")
        return scope is not None and "request" in scope.fixtures

    def _check_private(self, node: ast.Attribute, name: str) -> None:
        if name in words.NAMEDTUPLE_NAMES or name in self.private:
            return
        on_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if on_self and self.inherits_unknown:
            return
        if self._is_super(node.value) and self.inherits_unknown:
            return
        self._refuse(
            node, "private", f"{name} belongs to another class; use a public name, or define it here"
        )

    def _is_super(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"

    def _check_own(self, node: ast.Attribute, base: Reference, name: str) -> None:
        if base.is_value:
            self._check_unknown(node, name)
        elif name in _STDLIB - self.own:
            self._refuse(
                node, "attribute", f"{name} is reached by way of {base.path}; import it where it is allowed"
            )
        elif isinstance(node.ctx, ast.Store | ast.Del) and not self.is_test:
            self._refuse(node, "attribute", f"{base.path}.{name} belongs to another module: do not change it")

    def _check_library(self, node: ast.Attribute, module: str, name: str) -> None:
        path = f"{module}.{name}"
        if isinstance(node.ctx, ast.Store | ast.Del):
            self._refuse(node, "attribute", f"{path} belongs to the library: do not change it")
        elif not is_public_name(module, name):
            self._refuse(node, "attribute", f"{name} is not a name of {module} that code may use")
        elif not is_opener(path):
            self._use(node, needed_capability(path), path)

    def _check_member(self, node: ast.Attribute, base: Reference, name: str) -> None:
        """An attribute of a class or function of the library, or of a value of such a class."""
        path = f"{base.path}.{name}"
        if not base.is_value and isinstance(node.ctx, ast.Store | ast.Del):
            self._refuse(node, "attribute", f"{path} belongs to the library: do not change it")
        elif path in OUTSIDE:
            self._refuse(node, "path", f"{path} leaves the folder of the block; take paths as arguments")
        elif words.is_private(name):
            if name not in words.NAMEDTUPLE_NAMES:
                self._refuse(node, "private", f"{name} is private to {base.path}; use a public name")
        elif path in _REFUSED_MEMBERS:
            self._refuse(node, "fixture", f"{path} is not allowed: the gates choose how tests are run")
        elif base.path == "pytest.mark" and name not in _MARKS:
            self._refuse(node, "fixture", f"pytest.mark.{name} is not allowed: every test runs and counts")
        elif base.path == "string" or (base.is_value is False and path == "logging.Formatter.format"):
            return
        elif not is_opener(path):
            self._use(node, member_capability(path) or self._method_capability(base, name), path)

    def _method_capability(self, base: Reference, name: str) -> str:
        # PurePath and the like have none of these methods.
        return method_capability(name) if base.is_value else ""

    # Formats and other texts that name attributes

    def _check_format(self, node: ast.Attribute) -> None:
        texts = self.bindings.find_literals(node.value)
        is_type = isinstance(node.value, ast.Name) and node.value.id == "str"
        if texts is None or is_type:
            message = f"{node.attr} of a text that is not literal may read any attribute; {_FORMAT_CURE}"
            self._refuse(node, "format", message)
            return
        for text in texts:
            for name in words.find_format_attributes(text):
                if words.is_hidden(name) or name.startswith("_") or name in words.INTROSPECTION:
                    self._refuse(node, "format", f"the format reads {name}, which is not allowed")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and words.names_hidden_attribute(node.value):
            message = f"text {node.value[:40]!r} names an attribute that is not allowed"
            self._refuse(node, "string", message)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        for text in self.bindings.find_literals(node) or []:
            if words.names_hidden_attribute(text):
                self._refuse(node, "string", f"text {text[:40]!r} names an attribute that is not allowed")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        names = [each for each in (node.left, *node.comparators) if isinstance(each, ast.Name)]
        if any(name.id == "__name__" for name in names) and not import_time.is_main_check(node):
            message = "code that compares __name__ acts otherwise where it has another; leave it out"
            self._refuse(node, "attribute", message)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            if name in self.definitions:
                message = f"{name} is defined here: do not replace it while the program runs"
                self._refuse(node, "rebinding", message)

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        path = self._called_path(node)
        if path == "getattr":
            self._check_getattr(node)
        elif path in _TAKES_NAMES:
            self._check_literal_names(node, path)
        elif path == "logging.Formatter":
            self._check_style(node)
        for capability in call_capabilities(path, node, self.bindings):
            self._use(node, capability, path)
        if self.is_test or self._patches(path):
            for refusal in find_patch_refusals(node, path, self.own, self.bindings):
                self.refusals.append(refusal)
        self._visit_called(node.func, path)
        for argument in [*node.args, *node.keywords]:
            self.visit(argument)

    def _called_path(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Name) and self.bindings.is_builtin(node.func.id):
            return node.func.id
        found = self.bindings.resolve(node.func)
        if found is not None:
            return found.path
        # The parser may come from anywhere; without words it reads the command line.
        if isinstance(node.func, ast.Attribute) and node.func.attr == "parse_args":
            return "argparse.ArgumentParser.parse_args"
        return ""

    def _visit_called(self, function: ast.expr, path: str) -> None:
        """The function of a call: what is only judged as a value is not judged again."""
        judged_by_arguments = path in ("getattr", "open") or path in _TAKES_NAMES
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
                    self._refuse(node, "builtin", f"{path} takes literal names only")
                    return
                for text in " ".join(texts).replace(",", " ").split():
                    self._check_named(node, None, text)

    def _check_style(self, node: ast.Call) -> None:
        styles = [keyword.value for keyword in node.keywords if keyword.arg == "style"] + node.args[2:3]
        for style in styles:
            if self.bindings.find_literals(style) not in (["%"], ["$"]):
                self._refuse(node, "format", 'a log format in the style "{" may read any attribute; use "%"')

    # Patterns and annotations

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            self._check_named(node, None, name)
        if node.patterns and not self._has_known_positions(node.cls):
            message = "the positions of this class pattern are not known; name the attributes"
            self._refuse(node, "pattern", message)
        self.generic_visit(node)

    def _has_known_positions(self, kind: ast.expr) -> bool:
        if not isinstance(kind, ast.Name):
            found = self.bindings.resolve(kind)
            return found is not None and self._is_own(found.path)
        if self.bindings.is_builtin(kind.id):
            return True
        found = self.bindings.resolve(kind)
        return kind.id in self.classes or (found is not None and self._is_own(found.path))

    def visit_arg(self, node: ast.arg) -> None:
        if self.is_test and node.arg in words.REFUSED_FIXTURES:
            self._refuse(node, "fixture", f"the fixture {node.arg} is not allowed in the tests of a block")
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

    def _check_match_args(self, target: ast.expr, value: ast.expr) -> None:
        name = getattr(target, "id", getattr(target, "attr", ""))
        if name != "__match_args__":
            return
        items = value.elts if isinstance(value, ast.Tuple) else [value]
        for item in items:
            if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
                self._refuse(target, "pattern", "__match_args__ is a tuple of literal names")
                return
            self._check_named(target, None, item.value)

    def _visit_annotation(self, annotation: ast.expr | None) -> None:
        """An annotation may be evaluated later, by a library too: texts in it are judged as what they say."""
        if annotation is None:
            return
        for node in ast.walk(annotation):
            if isinstance(node, ast.Call | ast.Lambda | ast.NamedExpr | ast.Await):
                self._refuse(annotation, "annotation", "an annotation names a type and does nothing")
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
        self.visit(annotation)

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

    # Definitions and their scopes

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
        self._visit_in_scope(node, node.body)

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


def _list_private_names(tree: ast.Module) -> frozenset[str]:
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
