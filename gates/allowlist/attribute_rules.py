"""Rules for attributes: the name behind a dot, judged by the value before it."""

import ast
import sys

from gates.allowlist import formats, queries, words
from gates.allowlist.bindings import Reference
from gates.allowlist.capabilities import (
    OUTSIDE,
    PARSERS,
    followed_capability,
    is_opener,
    member_capability,
    method_capability,
)
from gates.allowlist.library import is_library_module, is_public_name, needed_capability
from gates.allowlist.name_rules import NameRules
from gates.allowlist.packages import package_method_capability
from gates.allowlist.patches import PATCHING_METHODS

_REQUEST_ATTRIBUTES = frozenset({"param", "addfinalizer"})
_REFUSED_MEMBERS = frozenset(
    {
        "hypothesis.settings.load_profile",
        "hypothesis.settings.register_profile",
        "hypothesis.settings.default",
    }
)
_MARKS = frozenset({"parametrize", "usefixtures", "filterwarnings"})
_SETTERS = frozenset({"__setattr__", "__delattr__"})
_STDLIB = frozenset(sys.stdlib_module_names)
# Names of the standard library that packages use for what they define (`numpy.array`), and from which no
# public name leads further.
_SHARED_NAMES = frozenset(
    """
    array copy decimal json math numbers operator queue random select statistics string struct trace types
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


class AttributeRules(NameRules):
    """Attributes."""

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
            message = f"attribute {name} is not allowed, it leads to the interpreter; {words.WITHOUT_IT}"
            self._refuse(node, "attribute", message)
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
        elif name in formats.METHODS:
            self._check_format(node, None)
        elif name in queries.LOADERS:
            self._refuse(node, "attribute", f"{name} runs code of other libraries; leave it out")
        elif name in _SETTERS and not self._is_super(node.value):
            self._check_setter(node)
        elif name == "__call__" and not self._is_super(node.value):
            self._refuse(node, "attribute", "__call__ is written as a call: value(...)")
        elif self._is_builtin_type(node.value) and name not in ("__name__", "__doc__"):
            self._refuse(node, "builtin", f"type.{name} is not allowed: write a class")
        elif name in PARSERS:
            return
        else:
            self._use(node, self._unknown_capability(node, name), f".{name}()")
        if self.is_test:
            self._check_in_test(node, name)

    def _check_in_test(self, node: ast.Attribute, name: str) -> None:
        if name in PATCHING_METHODS and id(node) not in self.called:
            self._refuse(node, "patch", f"{name} is not a value; call it at once, with the name as text")
        if name == "traceback":
            message = "traceback leads to frames and their values; look at the exception's type and text"
            self._refuse(node, "attribute", message)
        if self._is_request(node.value) and name not in _REQUEST_ATTRIBUTES:
            self._refuse(node, "fixture", f"request.{name} is not allowed; a fixture may use request.param")

    def _unknown_capability(self, node: ast.Attribute, name: str) -> str:
        if self.classes.holds_value(node.value):
            return ""
        call = self.parents.get(id(node)) if id(node) in self.called else None
        call = call if isinstance(call, ast.Call) else None
        return (
            method_capability(name)
            or followed_capability(name, self.taken, call)
            or package_method_capability(name, self.taken, call)
        )

    def _is_builtin_type(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "type" and self.bindings.is_builtin("type")

    def _check_setter(self, node: ast.Attribute) -> None:
        """``object.__setattr__(self, ...)``, which frozen classes need, and nothing else of the kind."""
        call = self.parents.get(id(node))
        target = call.args[0] if isinstance(call, ast.Call) and call.func is node and call.args else None
        on_object = isinstance(node.value, ast.Name) and node.value.id == "object"
        if on_object and isinstance(target, ast.Name) and self.around:
            name = call.args[1] if isinstance(call, ast.Call) and len(call.args) > 1 else None
            texts = self.bindings.find_literals(name) if name is not None else None
            known = self.bindings.resolve(target)
            is_local = known is None and target.id not in self.definitions
            if target.id == "self" or (is_local and texts is not None):
                return
        message = f"{node.attr} changes any attribute of anything; write value.name = ..."
        self._refuse(node, "builtin", message)

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
        elif words.is_private(name) and name not in self.private:
            self._refuse(node, "private", f"{name} is private to {base.path}; use a public name")
        elif name in _STDLIB - self.own - _SHARED_NAMES:
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
            message = f"{name} is not a name of {module} that code may use; {words.WITHOUT_IT}"
            self._refuse(node, "attribute", message)
        elif not is_opener(path):
            self._use(node, needed_capability(path), path)

    def _check_member(self, node: ast.Attribute, base: Reference, name: str) -> None:
        """An attribute of a class or function of the library, or of a value of such a class."""
        path = f"{base.path}.{name}"
        if not base.is_value and isinstance(node.ctx, ast.Store | ast.Del):
            self._refuse(node, "attribute", f"{path} belongs to the library: do not change it")
        elif path in OUTSIDE:
            self._refuse(node, "path", f"{path} leaves the folder of the block; take paths as arguments")
        elif name in formats.METHODS:
            self._check_format(node, base)
        elif name in queries.LOADERS or name in _SETTERS:
            self._check_unknown(node, name)
        elif words.is_private(name):
            if name not in words.NAMEDTUPLE_NAMES:
                self._refuse(node, "private", f"{name} is private to {base.path}; use a public name")
        elif path in _REFUSED_MEMBERS:
            self._refuse(node, "fixture", f"{path} is not allowed: the gates choose how tests are run")
        elif base.path == "pytest.mark" and name not in _MARKS:
            self._refuse(node, "fixture", f"pytest.mark.{name} is not allowed: every test runs and counts")
        elif not is_opener(path):
            self._use(node, member_capability(path) or self._method_capability(base, name), path)

    def _method_capability(self, base: Reference, name: str) -> str:
        # PurePath and the like have none of these methods. What only an annotation says may be wrong.
        if base.is_declared:
            return method_capability(name) or followed_capability(name, self.taken, None)
        return method_capability(name) if base.is_value else ""

    def _check_format(self, node: ast.Attribute, base: Reference | None) -> None:
        if self._is_super(node.value):
            return
        if id(node) in self.called:
            around = self.around[-1] if self.around else None
            self.refusals += formats.find_format_refusals(node, base, self.bindings, self.classes, around)
        elif not formats.is_used_as_data(node, self.parents):
            message = (
                f"{node.attr} as a value may be the method of a text; {formats.CURE}, or compare it here"
            )
            self._refuse(node, "format", message)
