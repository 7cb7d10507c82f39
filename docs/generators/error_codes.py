"""``docs/reference/error-codes.md``: every stable error code of the product, read from its source.

The source is parsed and not imported: most codes are arguments at the place where an error is raised, with
their message and their cure beside them.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from docs.generators.markdown import build_page, build_table

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("blocks", "orchestrator", "providers", "gates", "onboarding")
_LEFT_OUT = ("/migrations/", "/attacks/scripts/", "/build/")
_SHAPE = re.compile(r"[a-z]+:[a-z0-9]+(-[a-z0-9]+)*")
AREAS = {
    "alerts": "the test of the chain from an alert to its receivers",
    "answer": "what a model answered; it goes back to the model as feedback first",
    "auth": "tokens and what they may do",
    "backups": "marks of an instant, and restored servers beside them",
    "block": "a sealed block as it is fetched",
    "blocks": "the format of blocks",
    "ci": "`blocks ci` in a job of GitHub Actions or GitLab CI",
    "cli": "the command line, on the machine where it runs",
    "config": "settings of a repo or of the organisation",
    "context": "the files of the repo that models are shown",
    "dev": "`make up` and `make demo`",
    "engine": "how a stage ended",
    "events": "the stream of a flow's events",
    "evidence": "keys, signatures and stored evidence",
    "exchange": "the exchange of a CI job's OIDC token",
    "flow": "a flow as a whole",
    "gate": "the result of one gate",
    "gates": "all gates of a flow together, and the sandbox that they need",
    "idempotency": "the `Idempotency-Key` header",
    "incidents": "incidents and their reviews",
    "internal": "a fault of the service itself",
    "notify": "messages to Slack, mail, PagerDuty and webhooks",
    "onboarding": "requests to enable a repo",
    "preflight": "the checklists before a phase of the rollout",
    "provider": "a call to a model ([what is done about each](provider-errors.md))",
    "quota": "quotas of providers",
    "registry": "names of providers, gates, stages and other registered parts",
    "repair": "repair rounds after a failed gate",
    "replay": "running recorded work again",
    "repo": "a repo, its state and its limits",
    "reports": "reports of days, weeks and phases",
    "request": "the form of a REST request",
    "review": "the review by a second model",
    "rollback": "rollbacks, and bringing repos back",
    "sealing": "secrets that are kept encrypted in the database",
    "seal": "sealing a block",
    "signin": "signing in with the company account",
    "training": "records of training and feedback",
    "service": "the state of the service",
    "source": "the clone of a repo",
    "spec": "the feature request",
    "token": "making, rotating and ending tokens",
}
"""What the part of a code before its colon stands for."""
# Texts of the same shape: capabilities of blocks, keys in Redis, a URN.
OTHER_AREAS = frozenset({"files", "orchestrator", "urn"})
# Codes whose message is put together elsewhere, or which have a different one at each of several places.
MEANINGS = {
    "answer:ambiguous": "The answer can be read in more than one way.",
    "answer:schema": "A field of the answer is missing, is not known, or has a wrong type.",
    "answer:unparseable": "The answer is not in the form that was asked for.",
    "blocks:error": "Something that the format of blocks does not allow.",
    "ci:bad-event": "The environment or the event of the job holds something that cannot be used.",
    "ci:no-identity": "The job has no identity token that could be exchanged.",
    "ci:platform-refused": "GitHub or GitLab does not let this job do what it has to.",
    "ci:platform-unreachable": "GitHub or GitLab cannot be reached, or does not speak as its API does.",
    "cli:bad-config": "An address, a token or `.blocks/config.yml` is malformed.",
    "cli:bad-option": "An option or an argument is not what the command takes.",
    "cli:other-repo": "The folder belongs to another repo than `--repo` names, so nothing was sent.",
    "cli:unexpected-answer": "What answered does not speak as the service does.",
    "notify:overtaken": "The incident was acknowledged before the message was sent, so it is not sent.",
    "context:invalid": "A file of the context is neither text nor base64.",
    "context:too-large": "The files that would be sent as context are more than a request may carry.",
    "engine:stage-crashed": "The code of a stage failed with an error that nobody expected.",
    "engine:worker-lost": "The worker of an attempt stopped beating; the stage runs again.",
    "engine:worker-lost-with-others": "The same, of several stages at once: the machine may have gone.",
    "engine:worker-stopped": "The worker was asked to stop before the stage was done; the stage runs again.",
    "flow:still-running": "The flow has not ended yet; it continues without the command.",
    "gates:no-progress": "A repair round changed nothing that the gates had found; a further one would not.",
    "internal:error": "The service failed in a way that nobody expected; nothing was left half done.",
    "provider:aborted": "The call was given up before its answer was complete.",
    "provider:lease-expired": "The worker that made the call was lost, so its use was never learned.",
    "replay:block-changed": "The stored block is not the one that was sealed.",
    "replay:dependencies-changed": "The packages that the gates would run with are not the sealed ones.",
    "request:invalid": "A field is missing or has a wrong value; `errors` names every one.",
    "request:invalid-filter": "A filter of the list has a value that it does not take.",
    "request:malformed": "The body or the address cannot be read at all.",
    "request:throttled": "Too many requests came in a short time.",
}
_FIXERS = {
    "REQUESTER": "requester",
    "REPO_OWNER": "repo owner",
    "OPERATOR": "operator",
    "PROVIDER": "provider",
    "US": "us",
}
_INTRODUCTION = """\
A code is stable: scripts may compare it. REST sends it as `code` of an `application/problem+json`
document, `blocks --json` as `error.code`, and a flow or a stage that failed has it in its `error`. The
message beside it is for people and may change. A part of a message that differs each time is in angle
brackets here. Fixed by is who can make the error go away; it is empty where the person who asked can, or
where it depends."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code with the words that are beside it in the source."""

    code: str
    meaning: str = ""
    cure: str = ""
    fixed_by: str = ""
    described: bool = False
    """Only described for OpenAPI at this place, and raised at another."""

    @property
    def completeness(self) -> float:
        """How much the source says at this place."""
        if self.described:
            return 0.5
        return bool(self.meaning) * 4 + bool(self.cure) * 2 + bool(self.fixed_by)


def build_error_page() -> str:
    """The page."""
    by_area: dict[str, list[ErrorCode]] = defaultdict(list)
    for found in collect_codes():
        by_area[found.code.partition(":")[0]].append(found)
    parts = [_INTRODUCTION]
    for area in sorted(by_area):
        rows = ([f"`{one.code}`", one.meaning, one.cure, one.fixed_by] for one in by_area[area])
        table = build_table(("code", "means", "cure", "fixed by"), rows)
        about = AREAS[area]
        parts += [f"## {area}", f"{about[0].upper()}{about[1:]}.", table]
    return build_page("Error codes", *parts)


def collect_codes() -> list[ErrorCode]:
    """Every code once, in their order, as the place that says most about it says it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in _list_sources()]
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    names = {name: code for tree in trees for name, code in _list_named_codes(tree)}
    members = {text for node in classes.values() for text in _list_members(node)}
    best: dict[str, ErrorCode] = {}
    for tree in trees:
        for found in _Places(tree, classes, names).read():
            if found.code in members:
                continue
            known = best.get(found.code)
            if known is None or found.completeness > known.completeness:
                best[found.code] = found
    return [_prefer_own_meaning(best[code]) for code in sorted(best)]


def _list_sources() -> Iterator[Path]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not any(part in path.as_posix() for part in _LEFT_OUT):
                yield path


def _list_named_codes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Constants of a module that hold a code: their names and their codes."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and (code := _read_code(node.value)):
            yield ast.unparse(node.targets[0]), code


def _list_members(found: ast.ClassDef) -> Iterator[str]:
    """The texts of an enumeration, such as the scopes of tokens, which look like codes."""
    if not any(ast.unparse(base).endswith("Enum") for base in found.bases):
        return
    for node in found.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _read_code(node: ast.AST) -> str:
    """The code that ``node`` is, or an empty text. One of an unknown area counts, so that a test sees it."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return ""
    area = node.value.partition(":")[0]
    return node.value if _SHAPE.fullmatch(node.value) and area not in OTHER_AREAS else ""


def _prefer_own_meaning(found: ErrorCode) -> ErrorCode:
    return replace(found, meaning=MEANINGS.get(found.code, found.meaning))


class _Places:
    """The places of one module where a code stands, each with what is said beside it."""

    def __init__(
        self, tree: ast.Module, classes: Mapping[str, ast.ClassDef], names: Mapping[str, str]
    ) -> None:
        self._tree, self._classes, self._names = tree, classes, names
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def read(self) -> Iterator[ErrorCode]:
        """Each place."""
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.expr):
                continue
            code = _read_code(node)
            if not code and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                code = self._names.get(node.id, "")
            if code:
                yield self._read_place(code, node)

    def _read_place(self, code: str, node: ast.expr) -> ErrorCode:
        parent = self._parents[node]
        if isinstance(parent, ast.Assign | ast.AnnAssign):
            around = self._parents[parent]
            if isinstance(around, ast.ClassDef):
                return self._read_class(code, around)
        elif isinstance(parent, ast.keyword):
            call = self._parents[parent]
            if isinstance(call, ast.Call):
                return self._read_call(code, call, call.args)
        elif isinstance(parent, ast.Call) and node in parent.args:
            return self._read_call(code, parent, parent.args[parent.args.index(node) + 1 :])
        elif isinstance(parent, ast.Tuple):
            return self._read_texts(code, parent.elts[parent.elts.index(node) + 1 :])
        elif isinstance(parent, ast.Dict):
            return _read_members(code, parent)
        return ErrorCode(code)

    def _read_class(self, code: str, found: ast.ClassDef) -> ErrorCode:
        cure, fixer = self._read_attribute(found, "cure"), self._read_attribute(found, "fixed_by")
        return ErrorCode(code, _first_sentence(ast.get_docstring(found) or ""), cure, fixer)

    def _read_call(self, code: str, call: ast.Call, after: Sequence[ast.expr]) -> ErrorCode:
        name = ast.unparse(call.func).rpartition(".")[2]
        kind = self._classes.get(name)
        texts = [text for text in map(_read_text, after) if text]
        named = {one.arg: one.value for one in call.keywords}
        cure = _read_text(named["cure"]) if "cure" in named else "".join(texts[1:2])
        fixer = _read_fixer(named["fixed_by"]) if "fixed_by" in named else ""
        if kind is not None:
            cure = cure or self._read_attribute(kind, "cure")
            fixer = fixer or self._read_attribute(kind, "fixed_by")
        return ErrorCode(code, "".join(texts[:1]), cure, fixer, described=name == "ProblemKind")

    def _read_texts(self, code: str, after: Sequence[ast.expr]) -> ErrorCode:
        # A tuple of codes alone says nothing about any of them.
        if any(_read_code(one) for one in after):
            return ErrorCode(code)
        texts = [text for text in map(_read_text, after) if text]
        return ErrorCode(code, "".join(texts[:1]), "".join(texts[1:2]))

    def _read_attribute(self, found: ast.ClassDef, name: str) -> str:
        """A class attribute, from the class or from one of its bases in the product."""
        for node in found.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if value is not None and isinstance(target, ast.Name) and target.id == name:
                return _read_fixer(value) if name == "fixed_by" else _read_text(value)
        bases = (self._classes.get(ast.unparse(base).rpartition(".")[2]) for base in found.bases)
        # What the common base says is said where nothing else is known.
        known = [base for base in bases if base is not None and base.name != "OrchestratorError"]
        return next((text for base in known if (text := self._read_attribute(base, name))), "")


def _read_members(code: str, found: ast.Dict) -> ErrorCode:
    members = {
        key.value: value
        for key, value in zip(found.keys, found.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    if "message" not in members:
        return ErrorCode(code)
    return ErrorCode(code, _read_text(members["message"]), _read_text(members.get("cure", ast.Constant(""))))


def _read_fixer(node: ast.expr) -> str:
    return _FIXERS.get(ast.unparse(node).rpartition(".")[2], "")


def _read_text(node: ast.expr) -> str:
    """A text with its variable parts in angle brackets; empty where ``node`` is not a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w*\}", "<…>", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _name_part(part.value) if isinstance(part, ast.FormattedValue) else str(ast.literal_eval(part))
            for part in node.values
        )
    return ""


def _name_part(node: ast.expr) -> str:
    """``<flow id>`` for ``{flow_id}``, ``<…>`` for a longer expression."""
    if isinstance(node, ast.Name | ast.Attribute):
        return f"<{ast.unparse(node).rpartition('.')[2].strip('_').lower().replace('_', ' ')}>"
    return "<…>"


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    end = flat.find(". ")
    return flat if end < 0 else flat[: end + 1]
