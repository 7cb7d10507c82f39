"""The rules in plain words, for the prompts: what a model is not told it cannot keep."""

from collections.abc import Iterable

from gates.allowlist.capabilities import CAPABILITIES
from gates.allowlist.library import ALLOWED_MODULES, TEST_TOOLS, load_library

_RULES = """\
The module may import these modules of the standard library, modules of the repository and the packages that
it pins, and nothing else: {modules}.

- Take public names only, and each from its own module. Write no star import. Do not keep a module in a
  variable.
- A private name (`_x`) stands only on `self` or on a value of a class of this file that defines it.
- Do not use `eval`, `exec`, `compile`, `globals`, `vars`, `setattr`, or `getattr`, `attrgetter` and
  `namedtuple` with a name that is not literal. Do not use frames, code objects, tracebacks, `__dict__`,
  `__globals__` or a metaclass of your own. This holds for class patterns and quoted annotations too.
- Call `format` on a literal text only; f-strings are free. SQL begins with a literal statement.
- Write `object.__setattr__` for `self` only, `wraps` with the function alone, classes with `class`, and `id`
  to compare only. `__name__` is for a logger and for the main check.
- On import the module only defines: functions, classes, constants. Nothing is printed, read, started or set
  up there, and no function of the repository is called there. `if __name__ == "__main__":` may call `main()`.
- Write names in ASCII letters, and no invisible characters.
- {capabilities}
"""
_TEST_RULES = """\
The tests may also import {tools}. Name nothing `pytest_...`, and use no plugin, `skip` or `xfail`. Replace
names of the block only, with the name as literal text. A fixture takes `param` from `request` and nothing
else. Assert results that you worked out: tests that repeat the code are refused, and no test can read it.
"""
_NONE_ALLOWED = (
    "The module computes: it does not touch files, environment, command line, network, other programs, the "
    "clock or unseeded randomness. Take such values as arguments."
)


def describe_rules(capabilities: Iterable[str] = ()) -> str:
    """What a module may do, where ``capabilities`` are allowed."""
    return _RULES.format(
        modules=", ".join(sorted(_usable_modules(capabilities))),
        capabilities=describe_capabilities(capabilities),
    )


def describe_test_rules() -> str:
    """What the tests of a block may do beyond that."""
    return _TEST_RULES.format(tools=", ".join(sorted(TEST_TOOLS)))


def describe_capabilities(capabilities: Iterable[str]) -> str:
    """Which capabilities a contract may declare, and how."""
    allowed = [name for name in CAPABILITIES if name in set(capabilities)]
    if not allowed:
        return _NONE_ALLOWED
    listed = "; ".join(f"`{name}`: {CAPABILITIES[name]}" for name in allowed)
    return (
        'What is more than computing is declared in the contract with its reason, as `"capabilities": '
        f'{{"name": "reason"}}`. Declare only what the plan asks for. Allowed here: {listed}.'
    )


def _usable_modules(capabilities: Iterable[str]) -> list[str]:
    """The modules that have a name for a block with these capabilities."""
    usable = {*capabilities, ""}
    library = load_library()
    return [module for module in ALLOWED_MODULES if not usable.isdisjoint(library[module].values())]
