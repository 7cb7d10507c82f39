"""Check a request for a new flow before anything is written: the repo, the fields, the models and their keys.

All fields with a mistake are named at once.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as env

from blocks.format import snapshot
from blocks.format.limits import MAX_CONTEXT_BYTES, MAX_CONTEXT_FILES, MAX_REQUEST_BYTES
from blocks.format.paths import is_safe_path
from orchestrator.flows import flow_types
from orchestrator.flows.engine.errors import RepoDisabled
from orchestrator.repos import repo_settings
from orchestrator.repos.models import REPO_NAME, Repo
from orchestrator.repos.repo_settings import RepoLimits
from orchestrator.rest.problems import Problem
from providers.registry import provider_for_model


@dataclass(frozen=True, slots=True)
class WantedFlow:
    """A request for a flow that may be created as it stands."""

    repo: Repo
    feature_request: str
    flow_type: str
    block_family: str
    snapshot: bytes = field(repr=False)
    # Not in the repr: a log line must not carry a repo's source.
    settings: Mapping[str, Any] = field(repr=False)
    limits: RepoLimits


def check_new_flow(repo: Repo, body: Mapping[str, Any]) -> WantedFlow:
    """``body`` as a flow of ``repo``; else a ``Problem`` with what is wrong and its cure."""
    _require_open_repo(repo)
    fields = _check_fields(body)
    in_force, limits = repo_settings.read_for_flow(repo)
    _require_known_models(in_force)
    _require_provider_keys(in_force)
    return WantedFlow(
        repo=repo,
        feature_request=fields["feature_request"],
        flow_type=fields["flow_type"],
        block_family=fields["block_family"],
        snapshot=fields["context"],
        settings=in_force,
        limits=limits,
    )


def drop_defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` without the fields that say what is meant without them: one request, however it is written."""
    defaults: dict[str, tuple[Any, ...]] = {
        "flow_type": (None, "", flow_types.DEFAULT_NAME),
        "block_family": (None, ""),
        "context": (None, {}),
    }
    return {name: value for name, value in body.items() if value not in defaults.get(name, ())}


def _check_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """What each field holds. The first problem is raised, and names the mistakes of all fields."""
    found: dict[str, Any] = {}
    problems = {name: _unknown_field(name) for name in sorted(set(body) - _CHECKS.keys() - {"repo"})}
    for name, check in _CHECKS.items():
        try:
            found[name] = check(body.get(name))
        except Problem as problem:
            problems[name] = problem
    if problems:
        first = next(iter(problems.values()))
        first.extra["errors"] = {name: [problem.detail] for name, problem in problems.items()}
        raise first
    return found


def _unknown_field(name: str) -> Problem:
    # Refused, because a misspelt optional one would otherwise be ignored silently.
    return Problem(
        422,
        "request:unknown-field",
        f"There is no field {name[:100]!r}.",
        cure=f"Send only {', '.join(sorted([*_CHECKS, 'repo']))}.",
    )


def _require_open_repo(repo: Repo) -> None:
    if not repo.is_enabled:
        raise RepoDisabled(f"{repo} is not enabled for the orchestrator at present.")
    if repo.paused:
        raise Problem(
            403,
            "repo:paused",
            f"{repo} is paused.",
            cure="Wait until an operator resumes the repo, or ask them why.",
        )


def _check_request(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Problem(
            422,
            "flow:empty-request",
            "The feature request is empty.",
            cure="Describe in Markdown what the block shall do: "
            "a title, the inputs, the outputs, the rules, an example.",
        )
    # Bytes and not characters, as the client measures it before it sends.
    size = len(text.encode())
    if size > MAX_REQUEST_BYTES:
        raise Problem(
            413,
            "flow:request-too-large",
            f"The feature request has {size:,} bytes; at most {MAX_REQUEST_BYTES:,} (64 KB) are taken.",
            cure="Split it into several features, and leave source code to the context.",
        )
    return text


def _check_flow_type(name: Any) -> str:
    # An empty text means the same as none, as forms and shells send it.
    if name in (None, ""):
        return flow_types.DEFAULT_NAME
    try:
        return flow_types.newest_version(str(name)).name
    except KeyError as error:
        known = ", ".join(sorted({built_in.name for built_in in flow_types.BUILT_IN}))
        raise Problem(
            422, "flow:unknown-type", f"There is no flow type {name!r}.", cure=f"Use one of: {known}."
        ) from error


def _check_family(name: Any) -> str:
    if name in (None, ""):
        return ""
    if not isinstance(name, str) or REPO_NAME.regex.fullmatch(name) is None:  # type: ignore[union-attr]
        raise Problem(
            422,
            "flow:invalid-family",
            f"{name!r} cannot name a block family.",
            cure="Use lower-case letters, digits, dots, dashes or underscores: "
            "compliance, observability, ...",
        )
    return name


def _require_provider_keys(in_force: Mapping[str, Any]) -> None:
    # Only of the providers whose models are in force: a team with servers of its own needs no vendor's key.
    needed = {provider_for_model(in_force[key]) for key in repo_settings.MODEL_KEYS if in_force[key]}
    missing = [
        name
        for name in sorted(needed)
        # A base URL of its own stands for a compatible server or the simulator, which need no key.
        if not (env.PROVIDERS[name]["api_key"] or env.PROVIDERS[name]["base_url"])
    ]
    if missing:
        names = ", ".join(f"{name.upper()}_API_KEY" for name in missing)
        raise Problem(
            503,
            "provider:missing-key",
            f"No API key is set for: {', '.join(missing)}.",
            cure=f"An operator sets {names} (or the same with _FILE), "
            "or starts the simulator with `make up`.",
        )


def _require_known_models(in_force: Mapping[str, Any]) -> None:
    # A setting was valid when it was set, but a provider or a price may be gone since.
    for key in repo_settings.MODEL_KEYS:
        if in_force[key] and not repo_settings.is_known_model(in_force[key]):
            raise Problem(
                422,
                "provider:unknown-model",
                f"{key} is {in_force[key]!r}, which no provider offers.",
                cure=repo_settings.MODEL_CURE,
            )


def _pack_context(value: Any) -> bytes:
    """Pack the files of ``context``.

    The result is empty where the request names no files; the repo is then cloned. An empty ``files`` means
    that the flow gets no files, and nothing is cloned.
    """
    if value is None:
        return b""
    if not isinstance(value, dict) or set(value) - {"files"} or not isinstance(value.get("files", {}), dict):
        raise Problem(
            422,
            "context:invalid",
            "context must be an object with files.",
            cure='Send {"files": {"path/in/repo.py": "text", "logo.png": {"base64": "..."}}}.',
        )
    # The number of files is checked before any of them is decoded, so that a huge body costs little.
    files: dict[str, Any] = value.get("files", {})
    if len(files) > MAX_CONTEXT_FILES:
        raise _too_large(f"The context has {len(files):,} files; at most {MAX_CONTEXT_FILES:,} are taken.")
    # Base64 is measured by its decoded size, which is what is stored.
    total = sum(_measure_file(path, content) for path, content in files.items())
    if total > MAX_CONTEXT_BYTES:
        raise _too_large(f"The context has {total:,} bytes; at most {MAX_CONTEXT_BYTES:,} (6 MB) are taken.")
    return snapshot.pack(snapshot.decode_files(files)) if "files" in value else b""


def _too_large(detail: str) -> Problem:
    return Problem(
        413,
        "context:too-large",
        detail,
        cure="Send only the source that matters; name the rest in .gitignore or .blocks/config.yml.",
    )


def _measure_file(path: str, content: Any) -> int:
    """Bytes of one file, whose path must stay inside the repo and whose content must be text or base64."""
    if not is_safe_path(path):
        raise Problem(
            422,
            "context:invalid-path",
            f"{path[:80]!r} is not a path inside a repo.",
            cure="Send relative paths with slashes.",
        )
    if isinstance(content, str):
        return len(content.encode())
    try:
        # validate=True: by default Python skips characters outside of the alphabet, and two texts would be
        # one file.
        if isinstance(content, dict) and list(content) == ["base64"]:
            return len(base64.b64decode(content["base64"], validate=True))
    except (TypeError, ValueError, binascii.Error):
        pass
    raise Problem(
        422,
        "context:invalid",
        f"{path!r} is neither text nor base64.",
        cure='Send a text, or {"base64": "..."} for other bytes.',
    )


# From the cheapest to the dearest.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "flow_type": _check_flow_type,
    "feature_request": _check_request,
    "block_family": _check_family,
    "context": _pack_context,
}
