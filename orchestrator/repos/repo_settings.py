"""The settings in force for a repo: environment, then organisation, then the repo itself.

Thresholds and the gate mode only ever tighten on the way down: a repo may ask more of its blocks than the
organisation does, never less. Every change is a new row of ``RepoSetting``; the newest counts and the older
ones are the history.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings as env
from django.db import transaction
from django.db.models import JSONField, Q, Value

from gates.allowlist import CAPABILITIES
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos.models import Repo, RepoSetting
from providers import prices, registry
from providers.base import UnknownModel

ASKING_STAGES = ("context", "plan", "implement", "review", "docs")
"""The kinds of stages that ask a model."""
EFFORTS = ("low", "medium", "high", "default")
MODES = ("off", "advisory", "strict")  # from lax to strict
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class SettingRefused(OrchestratorError):
    """This key or value cannot be set. ``cure`` says what would be accepted."""

    code = "config:invalid-value"
    fixed_by = FixedBy.REPO_OWNER


@dataclass(frozen=True, slots=True)
class SettingKey:
    """One setting: its name, its variable, how a value is read, whether it only tightens."""

    name: str
    variable: str
    read: Callable[[Any], Any]
    allowed: str
    strictness: Callable[[Any], Any] | None = None
    # What is left of a value where the level above gives another.
    narrow: Callable[[Any, Any], Any] | None = None

    def parse(self, value: Any) -> Any:
        """``value`` in the key's type; text is read as the command line would type it."""
        try:
            return self.read(value)
        except (TypeError, ValueError, InvalidOperation) as error:
            message = f"{self.name} cannot be {value!r}."
            raise SettingRefused(message, cure=f"Set {self.name} to {self.allowed}.") from error


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """The value of a key, and where it comes from: ``env``, ``org`` or ``repo``."""

    key: str
    value: Any
    source: str


def _parse_boolean(value: Any) -> bool:
    # A number is not taken as a boolean: 0 and 1 are more likely a mistake in the name of the key.
    word = str(value).lower() if isinstance(value, bool | str) else ""
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _whole_number_parser(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        # In Python a boolean is a whole number, too, and int() would cut 1.5 to 1.
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return read


def _parse_model(value: Any) -> str:
    if (
        not isinstance(value, str)
        or len(value) > 100
        or any(c.isspace() or not c.isprintable() for c in value)
    ):
        raise ValueError
    return value


def _parse_required_model(value: Any) -> str:
    if not _parse_model(value):
        raise ValueError
    return str(value)


def _parse_usd(value: Any) -> str:
    """An amount as text: JSON has no decimals."""
    amount = (
        Decimal(value)
        if isinstance(value, str | int | Decimal) and not isinstance(value, bool)
        else Decimal(repr(value))
    )
    if not amount.is_finite() or amount <= 0:
        raise ValueError
    return f"{amount:f}"


def _parse_capabilities(value: Any) -> str:
    """Names between commas, sorted; an empty text is none."""
    names = {name.strip() for name in value.split(",")} - {""} if isinstance(value, str) else {"?"}
    if not names <= CAPABILITIES.keys():
        raise ValueError
    return ",".join(sorted(names))


def _intersect_names(above: str, value: str) -> str:
    return ",".join(sorted(set(above.split(",")) & set(value.split(",")) - {""}))


def _parse_mode(value: Any) -> str:
    if value not in MODES:
        raise ValueError
    return str(value)


def _parse_effort(value: Any) -> str:
    if value not in EFFORTS:
        raise ValueError
    return str(value)


# Every setting is one line here. ``strictness`` makes a greater value the stricter one, for keys that
# tighten.
_PERCENT, _MODEL = "a whole number from 0 to 100", "the name of a model"
_EFFORT = "low, medium, high, or default for the vendor's own"
KEYS: dict[str, SettingKey] = {
    key.name: key
    for key in (
        SettingKey("architect.model", "ARCHITECT_MODEL", _parse_required_model, _MODEL),
        SettingKey("implementation.model", "IMPLEMENTATION_MODEL", _parse_required_model, _MODEL),
        SettingKey("context.model", "CONTEXT_MODEL", _parse_required_model, _MODEL),
        SettingKey(
            "fallback.model", "FALLBACK_MODEL", _parse_model, "the name of a model, or an empty text for none"
        ),
        *(
            SettingKey(f"effort.{kind}", f"EFFORT_{kind.upper()}", _parse_effort, _EFFORT)
            for kind in ASKING_STAGES
        ),
        SettingKey("context.pruning.enabled", "CONTEXT_PRUNING_ENABLED", _parse_boolean, "true or false"),
        SettingKey(
            "context.max_size_kb",
            "CONTEXT_MAX_SIZE_KB",
            _whole_number_parser(1, 500),
            "a whole number from 1 to 500",
        ),
        SettingKey("gates.mode", "QUALITY_GATE_MODE", _parse_mode, "strict, advisory or off", MODES.index),
        SettingKey(
            "gates.min_unit_coverage", "MIN_UNIT_COVERAGE", _whole_number_parser(0, 100), _PERCENT, int
        ),
        SettingKey(
            "gates.min_mutation_kill_rate",
            "MIN_MUTATION_KILL_RATE",
            _whole_number_parser(0, 100),
            _PERCENT,
            int,
        ),
        SettingKey(
            "gates.capabilities",
            "BLOCK_CAPABILITIES",
            _parse_capabilities,
            f"names of {', '.join(CAPABILITIES)} with commas between, or an empty text for none",
            narrow=_intersect_names,
        ),
        SettingKey(
            "flow.max_cost_usd",
            "FLOW_MAX_COST_USD",
            _parse_usd,
            "an amount of USD above 0, such as 1.50",
            # Less money is stricter, hence the sign.
            lambda usd: -Decimal(usd),
        ),
        SettingKey(
            "max_repair_rounds",
            "MAX_REPAIR_ROUNDS",
            _whole_number_parser(0, 10),
            "a whole number from 0 to 10",
        ),
        SettingKey("enabled", "REPO_ALLOWLIST", _parse_boolean, "true or false"),
    )
}


MODEL_KEYS = ("architect.model", "implementation.model", "context.model", "fallback.model")
MODEL_CURE = (
    "Set it to a model that a provider offers and that has a price: "
    "claude-sonnet-4-5, gpt-4-turbo, gemini-pro, ..."
)


def is_known_model(name: str) -> bool:
    """Return whether a provider serves the model ``name`` and its price is known.

    A call without a price would have no cost.
    """
    try:
        return prices.has_price(registry.provider_for_model(name), name)
    except UnknownModel:
        return False


def _read_newest(repo: Repo | None) -> dict[str, Any]:
    # DISTINCT ON keeps the newest row of each key, by the index on (repo, key, -id).
    rows = RepoSetting.objects.filter(repo=repo, key__in=KEYS).order_by("key", "-id").distinct("key")
    return dict(rows.values_list("key", "value"))


def _override_with(
    key: SettingKey, below: SettingInForce, rows: dict[str, Any], source: str
) -> SettingInForce:
    """``below`` with this level's row over it. ``null`` in a row means: no longer set here."""
    value = rows.get(key.name)
    if value is None:
        return below
    # The organisation may have become stricter after the repo has set its value.
    if key.strictness is not None and key.strictness(value) < key.strictness(below.value):
        return below
    if key.narrow is not None:
        value = key.narrow(below.value, value)
    return SettingInForce(key.name, value, source)


def read_environment() -> dict[str, Any]:
    """Every key that a flow needs, with its value in the environment. Amounts are text, as in JSON."""
    found = {key.name: getattr(env, key.variable) for key in KEYS.values() if key.name != "enabled"}
    amounts = {name: f"{value:f}" for name, value in found.items() if isinstance(value, Decimal)}
    return {**found, **amounts}


def read_in_force(repo: Repo | None) -> dict[str, SettingInForce]:
    """Every key with its value and source, for ``repo`` or, without one, for the organisation."""
    org, own = _read_newest(None), _read_newest(repo) if repo is not None else {}
    from_env = read_environment()
    found: dict[str, SettingInForce] = {}
    for key in KEYS.values():
        # It has a column in ``repos``, which the runbook's operators query, and no value of the organisation.
        if key.name == "enabled":
            continue
        value = SettingInForce(key.name, from_env[key.name], "env")
        value = _override_with(key, value, org, "org")
        found[key.name] = _override_with(key, value, own, "repo")
    if repo is not None:
        # An allowlist that does not name the repo wins over the repo's own switch.
        blocked = bool(env.REPO_ALLOWLIST) and repo.name not in env.REPO_ALLOWLIST
        found["enabled"] = SettingInForce("enabled", repo.is_enabled, "env" if blocked else "repo")
    return found


def read_effective(repo: Repo | None) -> dict[str, Any]:
    """Every key with its value: what a flow of ``repo`` is created with."""
    return {name: found.value for name, found in read_in_force(repo).items()}


def read_value(repo_name: str, key: str) -> Any:
    """One key's value in force for a repo, by one query; without the strictness of the organisation."""
    rows = RepoSetting.objects.filter(Q(repo__name=repo_name) | Q(repo=None), key=key).order_by("-id")
    own, org = None, None
    for name, value in rows.values_list("repo__name", "value"):
        # The newest row of each level counts, and null means: no longer set here.
        if name is None:
            org = org or (value,)
        else:
            own = own or (value,)
    found = next((level[0] for level in (own, org) if level and level[0] is not None), None)
    return found if found is not None else getattr(env, find_key(key).variable)


def find_key(name: str) -> SettingKey:
    """The key called ``name``."""
    if name not in KEYS:
        known = ", ".join(sorted(KEYS))
        message = f"There is no setting {name!r}."
        raise SettingRefused(message, code="config:unknown-key", cure=f"Use one of: {known}.")
    return KEYS[name]


def set_values(repo: Repo | None, values: Mapping[str, Any], *, actor: str) -> None:
    """Set several keys, or, where one of them is refused, none."""
    with transaction.atomic():
        # A later value may be refused after earlier ones were written; then the transaction takes those back.
        for name, value in values.items():
            set_value(repo, name, value, actor=actor)


def check_value(repo: Repo | None, name: str, value: Any) -> Any:
    """``value`` in the type of the key ``name``; raises ``SettingRefused`` where ``set_value`` would."""
    key = find_key(name)
    parsed = None if value is None else key.parse(value)
    if name in MODEL_KEYS and parsed and not is_known_model(parsed):
        message = f"{name} cannot be {parsed!r}: no provider offers it."
        raise SettingRefused(message, code="provider:unknown-model", cure=MODEL_CURE)
    if name == "enabled" and (repo is None or parsed is None):
        raise SettingRefused("enabled belongs to one repo.", cure="Name a repo and say true or false.")
    if repo is not None and parsed is not None and key.strictness is not None:
        # A repo may be stricter than the organisation, never laxer.
        floor = read_in_force(None)[name].value
        if key.strictness(parsed) < key.strictness(floor):
            raise SettingRefused(
                f"{name} is {floor} for the organisation and cannot be lowered to {parsed} for {repo}.",
                code="config:below-organisation",
                cure=f"Set {name} to {floor} or stricter; an operator can change the organisation's value.",
            )
    return parsed


def set_value(repo: Repo | None, name: str, value: Any, *, actor: str) -> SettingInForce:
    """Set ``name`` for ``repo``, or for the organisation; ``None`` takes the own value away again.

    Raises ``SettingRefused`` for a value of the wrong kind, and for one that would relax what the
    organisation demands.
    """
    parsed = check_value(repo, name, value)
    with transaction.atomic():
        # None must become JSON's null, which means "no longer set here"; SQL's NULL is refused by the column.
        stored = Value(None, JSONField()) if parsed is None else parsed
        RepoSetting.objects.create(repo=repo, key=name, value=stored, actor=actor)
        if repo is not None and name == "enabled":
            repo.enabled = parsed
            repo.save(update_fields=["enabled"])
    return read_in_force(repo)[name]
