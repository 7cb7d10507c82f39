"""The rules for one file: what it imports, reads, calls and names. Refusals say what to write instead."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from gates import syntax
from gates.allowlist import identifiers, import_time, words
from gates.allowlist.addressed import find_addressed_findings
from gates.allowlist.capabilities import CAPABILITIES, GRANTED_TO_TESTS
from gates.allowlist.file_rules import FileRules
from gates.allowlist.file_walk import list_private_names
from gates.allowlist.refusals import Refusal
from gates.base import Finding


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
    found |= set(find_addressed_findings(path, source))
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


def find_capability_uses(source: str, own: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Capability and line of each place of a module that needs one, declared or not."""
    visitor = FileRules(syntax.parse(source), frozenset(own), is_test=False, private=frozenset())
    return tuple((use.capability, getattr(use.node, "lineno", 0)) for use in visitor.uses)


def find_private_names(source: str) -> frozenset[str]:
    """The private names that a module defines, which its own tests may use."""
    return list_private_names(syntax.parse(source))


def _judge(
    tree: ast.Module, own: Iterable[str], is_test: bool, capabilities: Iterable[str], private: Iterable[str]
) -> Iterator[Refusal]:
    visitor = FileRules(tree, frozenset(own), is_test, frozenset(private))
    yield from visitor.refusals
    allowed = frozenset(capabilities) | (GRANTED_TO_TESTS if is_test else frozenset())
    for use in visitor.uses:
        if use.capability not in allowed:
            may = CAPABILITIES[use.capability]
            message = f"{use.what} needs the capability {use.capability} ({may})"
            cure = "take the value as an argument, or declare it where plan and organisation allow it"
            yield Refusal(use.node, "capability", f"{message}; {cure}")


def _make_finding(path: str, refusal: Refusal) -> Finding:
    line = getattr(refusal.node, "lineno", 0)
    end = getattr(refusal.node, "end_lineno", 0) or 0
    return Finding(f"allowlist-{refusal.rule}", refusal.message, path=path, line=line, end_line=end)
