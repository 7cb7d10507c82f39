"""The settings in force for a repo: environment, then organisation, then the repo itself.

Thresholds and the gate mode only ever tighten on the way down: a repo may ask more of its blocks than the
organisation does, never less. What costs others is the organisation's to decide: the budget of a repo is set
by operators, its repair rounds are at most the organisation's, and its models are those that the organisation
uses or allows. Every change is a new row of ``RepoSetting``; the newest counts and the older ones are the
history.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings as env
from django.db import transaction
from django.db.models import JSONField, Q, Value

from gates.allowlist import CAPABILITIES
from orchestrator.core import audit, database
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos import halts
from orchestrator.repos.models import Repo, RepoSetting
from providers import prices, registry
from providers.base import UnknownModel

ASKING_STAGES = ("context", "plan", "implement", "review", "docs")
"""The kinds of stages that ask a model."""
_MAX_PATTERN_CHARACTERS = 2000
EFFORTS = ("low", "medium", "high", "default")
MODES = ("off", "advisory", "strict")  # from lax to strict
_MAX_USD = 10**9
# Tokens of a call that a stage usually makes.
_USUAL_INPUT, _USUAL_OUTPUT = 10_000, 4_000
_BYTES_PER_MB = 1_000_000
_JSON_TYPES = {bool: "boolean", int: "integer", str: "string"}
_LOCK_LEVEL = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
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
    # Whether the organisation, too, may only tighten what the environment says.
    binds_organisation: bool = True
    # What is left of a value where the level above gives another.
    narrow: Callable[[Any, Any], Any] | None = None
    # Whether only an operator may set it, also for a repo.
    for_operators: bool = False
    # Whether a flow keeps the value that was in force at its creation.
    pinned: bool = True

    def parse(self, value: Any) -> Any:
        """``value`` in the key's type; text is read as the command line would type it."""
        try:
            return self.read(value)
        except (TypeError, ValueError, InvalidOperation) as error:
            message = f"{self.name} cannot be {value!r}."
            raise SettingRefused(message, cure=f"Set {self.name} to {self.allowed}.") from error


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """The value of a key, and where it comes from: ``env``, ``org`` or ``repo``.

    ``note`` says why a value that was set nearer to the repo does not count.
    """

    key: str
    value: Any
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class RepoLimits:
    """What one repo may use: tokens and USD in 24 hours, flows open and a minute, bytes that are kept."""

    tokens_day: int
    usd_day: Decimal
    open_flows: int
    flows_minute: int
    stored_bytes: int


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
    # Nano-USD are what is counted, in whole numbers of 64 bits.
    if not amount.is_finite() or not Decimal("1e-9") <= amount <= _MAX_USD:
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


def _parse_model_patterns(value: Any) -> str:
    """Names of models between commas, sorted, each perhaps with ``*`` at its end; an empty text is none."""
    if not isinstance(value, str) or len(value) > _MAX_PATTERN_CHARACTERS:
        raise ValueError
    names = sorted({name.strip() for name in value.split(",")} - {""})
    for name in names:
        # A star alone would allow every model; who wants that names each vendor's.
        if "*" in name[:-1] or name == "*" or not _parse_model(name):
            raise ValueError
    return ",".join(names)


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
_COUNT, _COUNTED = _whole_number_parser(1, 10**12), "a whole number of at least 1"
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
            # Fewer rounds are stricter: each one costs calls and time at the gates.
            lambda rounds: -rounds,
            binds_organisation=False,
        ),
        SettingKey(
            "models.allowed",
            "ALLOWED_MODELS",
            _parse_model_patterns,
            "names of models with commas between, each perhaps with * at its end, or an empty text for none",
            for_operators=True,
            pinned=False,
        ),
        SettingKey(
            "budget.tokens_day", "REPO_TOKENS_PER_DAY", _COUNT, _COUNTED, for_operators=True, pinned=False
        ),
        SettingKey(
            "budget.usd_day",
            "REPO_USD_PER_DAY",
            _parse_usd,
            "an amount of USD above 0, such as 12.50",
            for_operators=True,
            pinned=False,
        ),
        SettingKey(
            "budget.open_flows", "REPO_OPEN_FLOWS", _COUNT, _COUNTED, for_operators=True, pinned=False
        ),
        SettingKey(
            "budget.flows_minute", "REPO_FLOWS_PER_MINUTE", _COUNT, _COUNTED, for_operators=True, pinned=False
        ),
        SettingKey("budget.stored_mb", "REPO_STORED_MB", _COUNT, _COUNTED, for_operators=True, pinned=False),
        SettingKey("enabled", "REPO_ALLOWLIST", _parse_boolean, "true or false", for_operators=True),
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


def _read_newest(own: Q) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is set for the organisation and for the repo whose rows are ``own``, by one query."""
    # DISTINCT ON keeps the newest row of each key, by the index on (repo, key, -id).
    rows = (
        RepoSetting.objects.filter(own | Q(repo=None), key__in=KEYS)
        .order_by("repo_id", "key", "-id")
        .distinct("repo_id", "key")
    )
    of_org: dict[str, Any] = {}
    of_repo: dict[str, Any] = {}
    for repo_id, key, value in rows.values_list("repo_id", "key", "value"):
        (of_org if repo_id is None else of_repo)[key] = value
    return of_org, of_repo


def _override_with(
    key: SettingKey, below: SettingInForce, rows: dict[str, Any], source: str
) -> SettingInForce:
    """``below`` with this level's row over it. ``null`` in a row means: no longer set here."""
    value = rows.get(key.name)
    if value is None:
        return below
    # The organisation may have become stricter after the repo has set its value.
    if _is_laxer(key, value, below.value, source):
        note = f"{source} has {value}, which may not be laxer than {below.value}"
        return SettingInForce(key.name, below.value, below.source, note)
    if key.narrow is not None:
        value = key.narrow(below.value, value)
    return SettingInForce(key.name, value, source)


def _is_laxer(key: SettingKey, value: Any, floor: Any, source: str) -> bool:
    if key.strictness is None or (source == "org" and not key.binds_organisation):
        return False
    return bool(key.strictness(value) < key.strictness(floor))


def read_environment() -> dict[str, Any]:
    """Every key that a flow needs, with its value in the environment. Amounts are text, as in JSON."""
    return {name: value for name, value in _read_environment().items() if KEYS[name].pinned}


def _read_environment() -> dict[str, Any]:
    found = {key.name: getattr(env, key.variable) for key in KEYS.values() if key.name != "enabled"}
    amounts = {name: f"{value:f}" for name, value in found.items() if isinstance(value, Decimal)}
    return {**found, **amounts}


def read_in_force(repo: Repo | None) -> dict[str, SettingInForce]:
    """Every key with its value and source, for ``repo`` or, without one, for the organisation."""
    found = _combine_levels(*_read_newest(Q(repo=repo)))
    if repo is not None:
        # An allowlist that does not name the repo wins over the repo's own switch.
        blocked = bool(env.REPO_ALLOWLIST) and repo.name not in env.REPO_ALLOWLIST
        found["enabled"] = SettingInForce(
            "enabled",
            repo.is_enabled,
            "env" if blocked else "repo",
            "REPO_ALLOWLIST does not name this repo" if blocked else "",
        )
    return found


def _combine_levels(org: dict[str, Any], own: dict[str, Any]) -> dict[str, SettingInForce]:
    """Every key but ``enabled``, which is a column of ``repos``: the runbook's operators query it there."""
    from_env = _read_environment()
    of_org: dict[str, SettingInForce] = {}
    for name, value in from_env.items():
        of_org[name] = _override_with(KEYS[name], SettingInForce(name, value, "env"), org, "org")
    found: dict[str, SettingInForce] = {}
    for name, below in of_org.items():
        found[name] = _override_with(KEYS[name], below, own, "repo")
        # The organisation may have taken the model from its list after the repo has set it.
        if name in MODEL_KEYS and not _may_choose_model(found[name].value, of_org):
            note = f"repo has {found[name].value}, which is dearer than all others and not in models.allowed"
            found[name] = SettingInForce(name, below.value, below.source, note)
    return found


def _may_choose_model(model: str, of_org: Mapping[str, SettingInForce]) -> bool:
    """Whether a repo may use ``model``: ``models.allowed`` names it, or it costs at most as much as the
    dearest one that the organisation uses itself.
    """
    used = {of_org[key].value for key in MODEL_KEYS} - {""}
    if not model or model in used:
        return True
    patterns = of_org["models.allowed"].value.split(",")
    # No other character has a meaning, so a name with brackets stays a name.
    named = (model.startswith(one[:-1]) if one.endswith("*") else model == one for one in patterns if one)
    if any(named):
        return True
    return is_known_model(model) and _price_usual_call(model) <= max(
        (_price_usual_call(other) for other in used if is_known_model(other)), default=Decimal(0)
    )


def _price_usual_call(model: str) -> Decimal:
    """USD of a call of the usual size, to compare models by."""
    return prices.price_worst_case(registry.provider_for_model(model), model, _USUAL_INPUT, _USUAL_OUTPUT)


def read_effective(repo: Repo | None) -> dict[str, Any]:
    """Every key that a flow keeps, with its value: what a flow of ``repo`` is created with."""
    return _keep_pinned(read_in_force(repo))


def read_for_flow(repo: Repo) -> tuple[dict[str, Any], RepoLimits]:
    """What a flow of ``repo`` is created with, and what the repo may use, by one query."""
    found = read_in_force(repo)
    return _keep_pinned(found), _build_limits(found)


def _keep_pinned(in_force: Mapping[str, SettingInForce]) -> dict[str, Any]:
    return {name: found.value for name, found in in_force.items() if KEYS[name].pinned}


def read_value(repo_name: str, key: str) -> Any:
    """One key's value in force for a repo, by one query."""
    return _read_by_name(repo_name)[key].value


def read_limits(repo_name: str) -> RepoLimits:
    """What the repo may use as of now, by one query."""
    return _build_limits(_read_by_name(repo_name))


def _build_limits(found: Mapping[str, SettingInForce]) -> RepoLimits:
    return RepoLimits(
        tokens_day=found["budget.tokens_day"].value,
        usd_day=Decimal(found["budget.usd_day"].value),
        open_flows=found["budget.open_flows"].value,
        flows_minute=found["budget.flows_minute"].value,
        stored_bytes=found["budget.stored_mb"].value * _BYTES_PER_MB,
    )


def _read_by_name(repo_name: str) -> dict[str, SettingInForce]:
    return _combine_levels(*_read_newest(Q(repo__name=repo_name)))


def find_key(name: str) -> SettingKey:
    """The key called ``name``."""
    if name not in KEYS:
        known = ", ".join(sorted(KEYS))
        message = f"There is no setting {name!r}."
        raise SettingRefused(message, code="config:unknown-key", cure=f"Use one of: {known}.")
    return KEYS[name]


def is_for_operators(name: str) -> bool:
    """Whether only an operator may set ``name``, for a repo too."""
    return name in KEYS and KEYS[name].for_operators


def describe_keys() -> dict[str, Any]:
    """The JSON Schema of what ``set_values`` takes. Text is taken for every key, as one would type it."""
    in_environment = _read_environment()
    properties: dict[str, Any] = {}
    for key in KEYS.values():
        own = "number" if key.read is _parse_usd else _JSON_TYPES[type(in_environment.get(key.name, True))]
        types = sorted({own, "string"})
        properties[key.name] = {"type": [*types, "null"], "description": f"Set it to {key.allowed}."}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def set_values(
    repo: Repo | None, values: Mapping[str, Any], *, actor: str, check: Callable[[], None] | None = None
) -> None:
    """Set several keys, or, where one of them is refused, none.

    ``check`` is asked before, while nobody else can set a key of this level.
    """
    level = "all repos" if repo is None else f"repo {repo.pk}"
    with transaction.atomic():
        database.fetch_rows(_LOCK_LEVEL, {"key": f"settings of {level}"})
        if check is not None:
            check()
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
    if name == "enabled" and parsed and repo is not None:
        halts.refuse_halted(repo)
    if repo is not None and name == "models.allowed":
        message = "models.allowed belongs to the organisation: it says what repos may choose."
        raise SettingRefused(message, cure="Set it without a repo.")
    if parsed is not None and name != "enabled":
        _require_effect(repo, key, parsed)
    return parsed


def _require_effect(repo: Repo | None, key: SettingKey, value: Any) -> None:
    """Refuse a value that would not count, because the level above is stricter or does not allow it."""
    source = "org" if repo is None else "repo"
    of_org = read_in_force(None)
    floor = _read_environment()[key.name] if repo is None else of_org[key.name].value
    if _is_laxer(key, value, floor, source):
        above, who = ("the environment", "all repos") if repo is None else ("the organisation", str(repo))
        raise SettingRefused(
            f"{key.name} is {floor} for {above} and cannot be relaxed to {value} for {who}.",
            code="config:below-organisation",
            cure=f"Set {key.name} to {floor} or stricter; an operator can change the value of {above}.",
        )
    if repo is not None and key.name in MODEL_KEYS and not _may_choose_model(value, of_org):
        # The whole list: what is typed takes the place of what is allowed today.
        names = {*of_org["models.allowed"].value.split(","), value} - {""}
        allowed = ",".join(sorted(names))
        raise SettingRefused(
            f"{key.name} cannot be {value!r} for {repo}: it is dearer than the organisation's models.",
            code="config:model-not-allowed",
            cure="Choose a cheaper one, or one of models.allowed (`blocks config show`), or ask "
            f"an operator to add it: `blocks config set models.allowed {allowed}`.",
        )


def set_value(repo: Repo | None, name: str, value: Any, *, actor: str) -> SettingInForce:
    """Set ``name`` for ``repo``, or for the organisation; ``None`` takes the own value away again.

    Raises ``SettingRefused`` for a value of the wrong kind, and for one that would relax what the
    organisation demands.
    """
    parsed = check_value(repo, name, value)
    with transaction.atomic():
        audit.name_actor(actor)
        # None must become JSON's null, which means "no longer set here"; SQL's NULL is refused by the column.
        stored = Value(None, JSONField()) if parsed is None else parsed
        RepoSetting.objects.create(repo=repo, key=name, value=stored, actor=actor)
        if repo is not None and name == "enabled":
            repo.enabled = parsed
            repo.save(update_fields=["enabled"])
    return read_in_force(repo)[name]
