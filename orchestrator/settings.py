"""The one settings file. Every variable of the environment is read here, once, through ``orchestrator.env``.

``docs/reference/settings.md`` describes each variable; a test holds the two against each other.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from orchestrator import broker_address, env, logs, redis_import
from orchestrator.process_secrets import MAY_HOLD, refuse_foreign_secrets

redis_import.import_redis()
BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(env.read_text("STATE_DIR", str(BASE_DIR / ".state")))


# The authority whose certificates PostgreSQL and Redis show, where their addresses name none.
SERVERS_CA_FILE = env.read_text("SERVERS_CA_FILE", "")
if SERVERS_CA_FILE and not Path(SERVERS_CA_FILE).is_file():
    raise ImproperlyConfigured(f"SERVERS_CA_FILE is {SERVERS_CA_FILE}: there is no such file.")

# Part of the start-up message of each connection, so no SET costs a round trip and no rollback undoes it. The
# server would plan a statement for its actual parameters five times before it tries a plan for any; planning
# costs as much as running ours. A PgBouncer in between has to pass it on (ignore_startup_parameters =
# options) with the same setting on the database role.
_SESSION_OPTIONS = "-c plan_cache_mode=force_generic_plan"


def _parse_database_url(value: str, *, pool_size: int, max_overflow: int) -> dict[str, Any]:
    """Django's database settings from ``postgres://user:password@host:port/name?option=value``.

    The host may be a folder (percent-encoded, or as ``?host=``): then the server listens on a Unix socket
    there.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgres:// or postgresql://.")
    options = dict(parse_qsl(parts.query))
    # Only where the address asks for a check; libpq would begin to check by the mere name of a file.
    if options.get("sslmode") in {"verify-ca", "verify-full"} and SERVERS_CA_FILE:
        options.setdefault("sslrootcert", SERVERS_CA_FILE)
    session_options = f"{options.pop('options', '')} {_SESSION_OPTIONS}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or options.pop("port", "")),
        "CONN_HEALTH_CHECKS": False,
        # min_size is what the pool keeps open, max_size what it may grow to under load. Pools are per
        # process: the two variables are what one process may use of the server's budget.
        "OPTIONS": {
            **options,
            # The statements of orchestrator.core.database are prepared at their first use on a connection.
            "prepare_threshold": 0,
            "options": session_options,
            "pool": {"min_size": min(2, pool_size), "max_size": pool_size + max_overflow, "timeout": 10},
        },
    }


def _parse_replica_url(value: str, *, pool_size: int) -> dict[str, Any]:
    """The same for a replica: read-only, opened by the first report, and given up early for the primary."""
    parsed = _parse_database_url(value, pool_size=pool_size, max_overflow=0)
    options = parsed["OPTIONS"]
    # A replica refuses to write by itself. One that was promoted would not.
    options["options"] += " -c default_transaction_read_only=on"
    options.setdefault("connect_timeout", 2)
    # Few processes read reports, so nothing is open at rest. A pool tries a server that is away ever less
    # often; here each attempt ends early, and the next report makes another.
    options["pool"] |= {"min_size": 0, "timeout": 3, "reconnect_timeout": 1}
    # A replica may be started again between two reports.
    parsed["CONN_HEALTH_CHECKS"] = True
    return parsed


# Which process of the Procfile this is; it may then hold the secrets of its row only.
PROCESS = env.read_text("PROCESS", "", choices=("", *MAY_HOLD))
refuse_foreign_secrets()
DEBUG = env.read_flag("DEBUG", default=False)
SECRET_KEY = env.read_text("SECRET_KEY", "insecure-for-local-use-only" if DEBUG else None)
LOGGING = logs.build_logging(
    env.read_text("LOG_FORMAT", "json", choices=("json", "text")),
    env.read_text("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR")),
)
ALLOWED_HOSTS = list(env.read_names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"))

DB_POOL_SIZE = env.read_integer("DB_POOL_SIZE", 20, low=1)
DB_MAX_OVERFLOW = env.read_integer("DB_MAX_OVERFLOW", 5)
DATABASES = {
    "default": _parse_database_url(
        env.read_text("DATABASE_URL"), pool_size=DB_POOL_SIZE, max_overflow=DB_MAX_OVERFLOW
    )
}
for _number, _replica in enumerate(env.read_names("DATABASE_REPLICA_URLS"), start=1):
    DATABASES[f"replica{_number}"] = _parse_replica_url(_replica, pool_size=DB_POOL_SIZE)
DATABASE_ROUTERS = ["orchestrator.core.replicas.ReadRouter"]
# One that is further behind is not read from.
REPLICA_MAX_LAG_SECONDS = env.read_integer("REPLICA_MAX_LAG_SECONDS", 60, low=1, high=86_400)

REDIS_URL = env.read_url("REDIS_URL", "redis://127.0.0.1:6379/0", schemes=broker_address.SCHEMES)
# A mistake in it is said now, and not by the first message.
broker_address.parse_broker_url(REDIS_URL, SERVERS_CA_FILE)

INSTALLED_APPS = [
    # Before the theme, whose templates it replaces.
    "orchestrator.web",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    # For its files only: htmx is served from here.
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "orchestrator.core",
    "providers",
    "gates",
    "orchestrator.repos",
    "orchestrator.flows",
    "orchestrator.ops.observability",
    "orchestrator.ops.backups",
    "orchestrator.ops.doctor",
    "orchestrator.ops.retention",
    "orchestrator.ops.notifications",
    "orchestrator.ops.rollups",
    "orchestrator.ops.reports",
    "orchestrator.ops.training",
    "orchestrator.ops.alerts",
    "orchestrator.ops.preflight",
    "orchestrator.ops.incidents",
    "orchestrator.ops.rollback",
    "orchestrator.ops.status",
    "onboarding",
]
MIDDLEWARE = [
    # First, so that every line of the log about a request carries the id of its trace.
    "orchestrator.rest.request_spans.trace_request",
    "orchestrator.rest.request_ids.give_request_id",
    "orchestrator.web.headers.content_security_policy",
    "orchestrator.rest.rate_limits.tell_rate_limit",
    "django.middleware.http.ConditionalGetMiddleware",
    "orchestrator.web.headers.name_version",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "orchestrator.web.admin_queries.UnreadableAdminQuery",
    # After the check of the form's token: a view middleware that answers is the last that is asked.
    "orchestrator.web.admin_actor.NameAdminActor",
    # Last, as its makers ask: it turns a lock-out into an answer.
    "axes.middleware.AxesMiddleware",
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/flows/"

# --- logging in: guesses count by name and address, in the database, so that all processes count together
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# By both: by the name alone, anybody could lock a person out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "orchestrator.web.pages.login.show_lockout"
AXES_VERBOSE = False
AXES_USERNAME_CALLABLE = "orchestrator.web.pages.login.read_guessed_name"
AXES_CLIENT_IP_CALLABLE = "orchestrator.web.pages.login.find_guesser"

# --- signing in by the company's OpenID provider: off without an issuer, see orchestrator.web.sign_in
OIDC_ISSUER = env.read_issuer("OIDC_ISSUER")
OIDC_CLIENT_ID = env.read_text("OIDC_CLIENT_ID", "")
OIDC_CLIENT_SECRET = env.read_text("OIDC_CLIENT_SECRET", "")
OIDC_NAME = env.read_text("OIDC_NAME", "your company account")
OIDC_SCOPES = env.read_names("OIDC_SCOPES", "openid,profile,email")
OIDC_EMAIL_DOMAINS = tuple(name.lower() for name in env.read_names("OIDC_EMAIL_DOMAINS"))
OIDC_GROUPS_CLAIM = env.read_text("OIDC_GROUPS_CLAIM", "groups")
OIDC_ROLES = env.read_choices("OIDC_ROLES", ("Viewer", "SRE", "Incident commander"))
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_EMAIL_DOMAINS):
    raise ImproperlyConfigured("OIDC_ISSUER is set: set OIDC_CLIENT_ID and OIDC_EMAIL_DOMAINS, too.")
# Only the web process uses the secret, and no other may hold it.
if OIDC_ISSUER and PROCESS == "web" and not OIDC_CLIENT_SECRET:
    raise ImproperlyConfigured("OIDC_ISSUER is set: set OIDC_CLIENT_SECRET, too.")
if "openid" not in OIDC_SCOPES or "email" not in OIDC_SCOPES:
    raise ImproperlyConfigured("OIDC_SCOPES needs openid and email; others may follow.")
SOCIALACCOUNT_ADAPTER = "orchestrator.web.sign_in.openid.CompanyAccounts"
ACCOUNT_ADAPTER = "orchestrator.web.sign_in.openid.QuietAccounts"
# A link that somebody else has made must not sign anybody in.
SOCIALACCOUNT_LOGIN_ON_GET = False
# The provider vouches for the address, see CompanyAccounts; no mail is sent from here.
SOCIALACCOUNT_EMAIL_VERIFICATION = ACCOUNT_EMAIL_VERIFICATION = "none"
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
# A working day, also for a session that is used all the time.
SESSION_COOKIE_AGE = 10 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True

# --- behind an ingress that ends TLS
SECURE_COOKIES = env.read_flag("SECURE_COOKIES", default=False)
# Proxies whose X-Forwarded-For and X-Forwarded-Proto count, as addresses or networks.
TRUSTED_PROXIES = env.read_names("TRUSTED_PROXIES")
CSRF_TRUSTED_ORIGINS = list(env.read_names("CSRF_TRUSTED_ORIGINS"))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# Kubernetes asks these over plain HTTP, past the ingress.
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE_COOKIES else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_COOKIES
SECURE_REFERRER_POLICY = "same-origin"
ROOT_URLCONF = "orchestrator.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["orchestrator.web.templatetags.inline_code"],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
# Times to the second, saying that they are UTC: of two lists compared at night, neither is local.
FORMAT_MODULE_PATH = ["orchestrator.web.formats"]
STATIC_URL = "static/"
# Where collectstatic puts the static files; without it they are served from the packages that bring them.
STATIC_ROOT = env.read_text("STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
UNFOLD = {
    "SITE_TITLE": "Blocks",
    "SITE_HEADER": "Blocks",
    "SITE_SUBHEADER": "Multi-LLM Orchestrator",
    "SITE_SYMBOL": "deployed_code",
    # Without one a browser asks for /favicon.ico, which is not there.
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("web/mark.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "DASHBOARD_CALLBACK": "orchestrator.web.pages.admin_home.add_week",
}

# --- providers: the quotas are the runbook's; rates are what the vendors' first paid tiers allow
_DEFAULTS = {
    #             tokens a day, requests/min, tokens/min, concurrency, timeout s
    "anthropic": (2_000_000, 500, 200_000, 32, 120),
    "openai": (1_500_000, 500, 200_000, 32, 120),
    "google": (500_000, 300, 200_000, 32, 120),
}


def _read_provider(
    name: str, tokens: int, requests: int, tokens_minute: int, concurrency: int, timeout: int
) -> dict[str, Any]:
    prefix = name.upper()
    return {
        "api_key": env.read_text(f"{prefix}_API_KEY", ""),
        "base_url": env.read_url(f"{prefix}_BASE_URL"),
        "daily_token_quota": env.read_integer(f"{prefix}_DAILY_TOKEN_QUOTA", tokens, low=1),
        "requests_per_minute": env.read_integer(f"{prefix}_REQUESTS_PER_MINUTE", requests, low=1),
        "tokens_per_minute": env.read_integer(f"{prefix}_TOKENS_PER_MINUTE", tokens_minute, low=1),
        "max_concurrency": env.read_integer(f"{prefix}_MAX_CONCURRENCY", concurrency, low=1),
        "timeout_seconds": env.read_integer(f"{prefix}_TIMEOUT_SECONDS", timeout, low=1, high=3600),
    }


def _read_compatible(name: str) -> dict[str, Any]:
    """A server that speaks OpenAI's protocol, beside OpenAI: vLLM, Ollama, OpenRouter, Azure."""
    prefix = name.upper()
    server = _read_provider(name, 1_000_000, 500, 200_000, 8, 300)
    server["models"] = env.read_models(f"{prefix}_MODELS")
    if not server["base_url"] or not server["models"]:
        raise ImproperlyConfigured(
            f"COMPATIBLE_PROVIDERS names {name}: set {prefix}_BASE_URL and {prefix}_MODELS."
        )
    return server


# Also the names of their queues, so the other queues' names are taken.
COMPATIBLE_PROVIDERS = env.read_identifiers(
    "COMPATIBLE_PROVIDERS", taken=(*_DEFAULTS, "gates", "control", "onboarding", "repo")
)
PROVIDERS = {
    **{name: _read_provider(name, *limits) for name, limits in _DEFAULTS.items()},
    **{name: _read_compatible(name) for name in COMPATIBLE_PROVIDERS},
}
MODEL_PRICES = env.read_models("MODEL_PRICES")
GOOGLE_SDK = env.read_text("GOOGLE_SDK", "google-genai", choices=("google-genai", "google-generativeai"))

ARCHITECT_MODEL = env.read_text("ARCHITECT_MODEL", "claude-sonnet-4-5")
IMPLEMENTATION_MODEL = env.read_text("IMPLEMENTATION_MODEL", "gpt-4-turbo")
CONTEXT_MODEL = env.read_text("CONTEXT_MODEL", "gemini-pro")
FALLBACK_MODEL = env.read_text("FALLBACK_MODEL", "")

# How much the models think. ``default`` leaves it to the vendor, whose newest models think at length.
_EFFORTS = ("low", "medium", "high", "default")
EFFORT_CONTEXT = env.read_text("EFFORT_CONTEXT", "low", choices=_EFFORTS)
EFFORT_PLAN = env.read_text("EFFORT_PLAN", "medium", choices=_EFFORTS)
EFFORT_IMPLEMENT = env.read_text("EFFORT_IMPLEMENT", "medium", choices=_EFFORTS)
EFFORT_REVIEW = env.read_text("EFFORT_REVIEW", "medium", choices=_EFFORTS)
EFFORT_DOCS = env.read_text("EFFORT_DOCS", "low", choices=_EFFORTS)

ENABLE_CIRCUIT_BREAKER = env.read_flag("ENABLE_CIRCUIT_BREAKER", default=True)
CIRCUIT_BREAKER_THRESHOLD = env.read_integer("CIRCUIT_BREAKER_THRESHOLD", 85, low=1, high=100)
DAILY_BUDGET_USD = env.read_decimal("DAILY_BUDGET_USD", "50")
FLOW_MAX_COST_USD = env.read_decimal("FLOW_MAX_COST_USD", "2")

# --- what one repo may use, so that none uses up what is everybody's; operators may set more or less for one
REPO_SHARE_PERCENT = env.read_integer("REPO_SHARE_PERCENT", 50, low=1, high=100)
REPO_TOKENS_PER_DAY = env.read_integer(
    "REPO_TOKENS_PER_DAY",
    max(1, sum(one["daily_token_quota"] for one in PROVIDERS.values()) * REPO_SHARE_PERCENT // 100),
    low=1,
)
REPO_USD_PER_DAY = env.read_decimal("REPO_USD_PER_DAY", str(DAILY_BUDGET_USD * REPO_SHARE_PERCENT / 100))
REPO_OPEN_FLOWS = env.read_integer("REPO_OPEN_FLOWS", 500, low=1)
REPO_FLOWS_PER_MINUTE = env.read_integer("REPO_FLOWS_PER_MINUTE", 120, low=1)
REPO_STORED_MB = env.read_integer("REPO_STORED_MB", 10_000, low=1)
# Which models a repo may choose for itself: names, or ``prefix*``; none: only those of the organisation.
ALLOWED_MODELS = ",".join(env.read_names("ALLOWED_MODELS"))

# --- context, gates, flows
CONTEXT_PRUNING_ENABLED = env.read_flag("CONTEXT_PRUNING_ENABLED", default=True)
CONTEXT_MAX_SIZE_KB = env.read_integer("CONTEXT_MAX_SIZE_KB", 180, low=1, high=500)
QUALITY_GATE_MODE = env.read_text("QUALITY_GATE_MODE", "strict", choices=("strict", "advisory", "off"))
MIN_MUTATION_KILL_RATE = env.read_integer("MIN_MUTATION_KILL_RATE", 60, high=100)
MIN_UNIT_COVERAGE = env.read_integer("MIN_UNIT_COVERAGE", 90, high=100)
# What generated code may be allowed beyond computing; a contract still has to declare it, with a reason.
BLOCK_CAPABILITIES = ",".join(env.read_names("BLOCK_CAPABILITIES"))
MAX_REPAIR_ROUNDS = env.read_integer("MAX_REPAIR_ROUNDS", 2, high=10)
FLOW_DEADLINE_SECONDS = env.read_integer("FLOW_DEADLINE_SECONDS", 3600, low=1)
# A running stage is lost when its worker has not beaten for this long; it beats every third of it.
ENGINE_LEASE_SECONDS = env.read_integer("ENGINE_LEASE_SECONDS", 15, low=1, high=600)
ENGINE_MAX_ATTEMPTS = env.read_integer("ENGINE_MAX_ATTEMPTS", 4, low=1, high=100)
ENGINE_MAX_CRASHES = env.read_integer("ENGINE_MAX_CRASHES", 3, low=1, high=100)
ENGINE_BACKOFF_SECONDS = env.read_integer("ENGINE_BACKOFF_SECONDS", 2, low=0, high=600)
ENGINE_RESEND_SECONDS = env.read_integer("ENGINE_RESEND_SECONDS", 15, low=1, high=3600)
ENGINE_SHUTDOWN_SECONDS = env.read_integer("ENGINE_SHUTDOWN_SECONDS", 20, low=1, high=3600)
# Days after the end of a flow, 0 for good: what happened to its stages, what models answered, and the files
# with which it worked.
EVENTS_KEPT_DAYS = env.read_integer("EVENTS_KEPT_DAYS", 400, high=36_500)
ANSWERS_KEPT_DAYS = env.read_integer("ANSWERS_KEPT_DAYS", 180, high=36_500)
WORKING_FILES_KEPT_DAYS = env.read_integer("WORKING_FILES_KEPT_DAYS", 180, high=36_500)
# Modules that bring further flow types and stages, each with FLOW_TYPES and STAGES.
ENGINE_PLUGINS = env.read_names("ENGINE_PLUGINS")
# How many stages of a queue run at once over all workers; the broker holds about twice as many messages.
QUEUE_SLOTS = {
    **{
        name: env.read_integer(f"{name.upper()}_SLOTS", PROVIDERS[name]["max_concurrency"], low=1)
        for name in PROVIDERS
    },
    "gates": env.read_integer("GATES_SLOTS", 2, low=1),
    "control": env.read_integer("CONTROL_SLOTS", 8, low=1),
}
# How many may follow flows by server-sent events at once: in one web process, and with a repo's token.
FOLLOWERS_PER_PROCESS = env.read_integer("FOLLOWERS_PER_PROCESS", 2000, low=1, high=20_000)
FOLLOWERS_PER_TOKEN = env.read_integer("FOLLOWERS_PER_TOKEN", 100, low=1)
REPO_ALLOWLIST = env.read_names("REPO_ALLOWLIST")
PILOT_REPOS = env.read_names("PILOT_REPOS", "compliance-service")
ONBOARDING_ENABLED = env.read_flag("ONBOARDING_ENABLED", default=True)
ONBOARDING_MAX_PER_DAY = env.read_integer("ONBOARDING_MAX_PER_DAY", 5)
# where generated code runs, and the lean interpreter that `python -m gates.sandbox.build` made for it
_SANDBOXES = ("auto", "bubblewrap", "linux", "linux-namespaces", "linux-landlock")
SANDBOX_BACKEND = env.read_text("SANDBOX_BACKEND", "auto", choices=_SANDBOXES)
SANDBOX_VENV = Path(env.read_text("SANDBOX_VENV", str(BASE_DIR / ".venv-sandbox")))

# --- CI jobs: whose OIDC tokens are exchanged, and what for; without an audience none is
CI_VENDORS = ("github", "gitlab")
CI_OIDC_AUDIENCE = env.read_url("CI_OIDC_AUDIENCE")
CI_OIDC_ISSUERS = env.read_sources(
    "CI_OIDC_ISSUERS",
    "github=https://token.actions.githubusercontent.com,gitlab=https://gitlab.com",
    CI_VENDORS,
)

# --- onboarding: the code hosts, and where pages and dashboards of a repo are made
GITHUB_API_URL = env.read_url("GITHUB_API_URL", "https://api.github.com")
GITHUB_TOKEN = env.read_text("GITHUB_TOKEN", "")
GITHUB_APP_ID = env.read_text("GITHUB_APP_ID", "")
GITHUB_APP_PRIVATE_KEY = env.read_text("GITHUB_APP_PRIVATE_KEY", "")
if GITHUB_APP_ID and not GITHUB_APP_PRIVATE_KEY:
    raise ImproperlyConfigured("GITHUB_APP_ID is set: set GITHUB_APP_PRIVATE_KEY, too.")
GITLAB_API_URL = env.read_url("GITLAB_API_URL", "https://gitlab.com/api/v4")
GITLAB_TOKEN = env.read_text("GITLAB_TOKEN", "")
PAGERDUTY_API_URL = env.read_url("PAGERDUTY_API_URL", "https://api.pagerduty.com")
PAGERDUTY_API_TOKEN = env.read_text("PAGERDUTY_API_TOKEN", "")
PAGERDUTY_ESCALATION_POLICY = env.read_text("PAGERDUTY_ESCALATION_POLICY", "flowengine")
GRAFANA_TOKEN = env.read_text("GRAFANA_TOKEN", "")
GRAFANA_FOLDER = env.read_text("GRAFANA_FOLDER", "blocks")
# The program, where it is not on PATH, and its own configuration: mirrors of providers, see onboarding.md.
TERRAFORM_BIN = env.read_text("TERRAFORM_BIN", "")
TERRAFORM_CLI_CONFIG = env.read_text("TERRAFORM_CLI_CONFIG", "")

# --- cloning: hosts whose addresses need not be public
CLONE_PRIVATE_HOSTS = frozenset(name.lower() for name in env.read_names("CLONE_PRIVATE_HOSTS"))
CLONE_TIMEOUT_SECONDS = env.read_integer("CLONE_TIMEOUT_SECONDS", 60, low=1, high=600)

# --- return on spend: what the runbook's pilot says a feature costs by hand, 200 USD, as hours and a rate
ROI_HOURS_PER_BLOCK = env.read_decimal("ROI_HOURS_PER_BLOCK", "2")
ROI_HOURLY_RATE_USD = env.read_decimal("ROI_HOURLY_RATE_USD", "100")
ROI_SOURCE = env.read_text(
    "ROI_SOURCE",
    "launch runbook, pilot results: a feature costs 200 USD by hand, taken as 2 hours at 100 USD",
)

# --- reports: where people reach the service, for links in messages
PUBLIC_URL = env.read_url("PUBLIC_URL")
# Where people find Flower, for a link on the admin's home; empty where nobody should.
FLOWER_URL = env.read_url("FLOWER_URL")
# The days of phases 6 and 7: the report of a phase is written when its last day is over.
SOAK_DAYS = env.read_period("SOAK_DAYS")
ROLLOUT_DAYS = env.read_period("ROLLOUT_DAYS")

# --- onboarding: where people read on, and find the dashboards; the defaults are the launch runbook's
DOCS_URL = env.read_url("DOCS_URL", "https://docs.blocks-orchestrator.com")
GRAFANA_URL = env.read_url("GRAFANA_URL", "https://grafana.company.com")

# --- training: the percentage of a score from which a module is passed
TRAINING_PASS_MARK = env.read_integer("TRAINING_PASS_MARK", 80, low=1, high=100)

# --- incidents: who leads where nobody is named, and how long an acknowledgement holds
INCIDENT_COMMANDER = env.read_text("INCIDENT_COMMANDER", "SRE lead")
INCIDENT_ACKNOWLEDGED_MINUTES = env.read_integer("INCIDENT_ACKNOWLEDGED_MINUTES", 30, low=5, high=1440)

# --- rollback: how long a GO counts, and what each trigger does
ROLLBACK_VOTE_HOURS = env.read_integer("ROLLBACK_VOTE_HOURS", 24, low=1, high=168)
_TRIGGER_MODES = ("act", "ask", "off")
ROLLBACK_FAILURE_RATE = env.read_text("ROLLBACK_FAILURE_RATE", "act", choices=_TRIGGER_MODES)
ROLLBACK_QUOTA = env.read_text("ROLLBACK_QUOTA", "act", choices=_TRIGGER_MODES)
ROLLBACK_CONNECTIONS = env.read_text("ROLLBACK_CONNECTIONS", "act", choices=_TRIGGER_MODES)
# auto: for the first week of a deployment, triggers only say what they would do.
ROLLBACK_DRY_RUN = env.read_text("ROLLBACK_DRY_RUN", "auto", choices=("auto", "on", "off"))

# --- metrics
METRICS_TOKEN = env.read_text("METRICS_TOKEN", "")
# Whose end is watched: certificates as host:port or as a file, tokens as name=2027-01-31.
WATCHED_CERTIFICATES = env.read_names("WATCHED_CERTIFICATES")
WATCHED_TOKENS = env.read_days("WATCHED_TOKENS")

# --- traces, see orchestrator.core.tracing; the names of the two are OpenTelemetry's
OTEL_EXPORTER_OTLP_ENDPOINT = env.read_url("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_TRACES_SAMPLER_ARG = env.read_decimal("OTEL_TRACES_SAMPLER_ARG", "1", high="1")
TRACE_URL_TEMPLATE = env.read_url("TRACE_URL_TEMPLATE")
if TRACE_URL_TEMPLATE and "{trace_id}" not in TRACE_URL_TEMPLATE:
    raise ImproperlyConfigured("TRACE_URL_TEMPLATE has no {trace_id} in it, so every link would be the same.")

# --- evidence
S3_ENDPOINT_URL = env.read_url("S3_ENDPOINT_URL")
CONTEXT_BUNDLE_BUCKET = env.read_text("CONTEXT_BUNDLE_BUCKET", "")
EVIDENCE_SIGNING_KEY = env.read_text("EVIDENCE_SIGNING_KEY", "")

# --- notifications and alerts
SLACK_API_URL = env.read_url("SLACK_API_URL", "https://slack.com/api")
NOTIFICATIONS_PER_MINUTE = env.read_integer("NOTIFICATIONS_PER_MINUTE", 30, low=1)
# How many workers of the queue control may send webhooks at once; the others are for everything else.
WEBHOOKS_AT_ONCE = env.read_integer("WEBHOOKS_AT_ONCE", 4, low=1)
# Longer than the longest call of a notifier, so that a worker which is only slow is not doubled.
NOTIFICATION_LOST_SECONDS = env.read_integer("NOTIFICATION_LOST_SECONDS", 60, low=15, high=3600)
SLACK_BOT_TOKEN = env.read_text("SLACK_BOT_TOKEN", "")
# What Slack signs the presses of buttons with; without it none is believed.
SLACK_SIGNING_SECRET = env.read_text("SLACK_SIGNING_SECRET", "")
PAGERDUTY_EVENTS_URL = env.read_url("PAGERDUTY_EVENTS_URL", "https://events.pagerduty.com/v2/enqueue")
PAGERDUTY_ROUTING_KEY = env.read_text("PAGERDUTY_ROUTING_KEY", "")
ALERTMANAGER_URL = env.read_url("ALERTMANAGER_URL")
PROMETHEUS_URL = env.read_url("PROMETHEUS_URL")
_mail = urlsplit(env.read_url("EMAIL_URL", schemes=("smtp", "smtps", "smtp+tls")))
EMAIL_HOST = _mail.hostname or ""
EMAIL_PORT = _mail.port or {"smtps": 465, "smtp+tls": 587}.get(_mail.scheme, 25)
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.read_text("EMAIL_FROM", "blocks-orchestrator@localhost")

# Of one token, in one web process.
API_REQUESTS_PER_MINUTE = env.read_integer("API_REQUESTS_PER_MINUTE", 6000, low=1)
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "orchestrator.rest.openapi.OperationSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["orchestrator.rest.parsers.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["orchestrator.repos.access.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "orchestrator.rest.authentication.TokenRequired",
        "orchestrator.repos.access.ScopeRequired",
        "orchestrator.rest.query_names.KnownQueryOnly",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["orchestrator.rest.rate_limits.RequestThrottle"],
    "EXCEPTION_HANDLER": "orchestrator.rest.problems.handle_exception",
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of our own
    "UNAUTHENTICATED_USER": None,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = (
    13 * 1024 * 1024
)  # above what the API's own reader takes, so that its error is the one seen
SPECTACULAR_SETTINGS = {
    "TITLE": "Multi-LLM Orchestrator",
    "DESCRIPTION": "Turns feature requests into verified blocks. "
    "Errors are RFC 9457 problems with a stable `code` and a `cure`.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/", "description": "The service that answers with this document."}],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "APPEND_COMPONENTS": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "blk_..."}}
    },
    "SECURITY": [{"token": []}],
    "AUTHENTICATION_WHITELIST": [],
    "SERVE_INCLUDE_SCHEMA": False,
    # Sets of values that several fields have, under one name each.
    "ENUM_NAME_OVERRIDES": {
        "FlowStatusEnum": "orchestrator.flows.models.states.FlowStatus",
        "StageStatusEnum": "orchestrator.flows.models.states.StageStatus",
        "TokenScopeEnum": "orchestrator.repos.scopes.ALL_SCOPES",
        "TrustedScopeEnum": "orchestrator.repos.scopes.TRUSTED_SCOPES",
        "TokenStatusEnum": "orchestrator.repos.models.TokenStatus",
        "NotificationStatusEnum": "orchestrator.ops.notifications.models.NotificationStatus",
        "VerdictEnum": ["passed", "failed", "errored"],
        "IncidentStatusEnum": "orchestrator.ops.incidents.models.IncidentStatus",
        "IncidentSeverityEnum": "orchestrator.ops.incidents.models.IncidentSeverity",
        "IncidentSourceEnum": "orchestrator.ops.incidents.models.IncidentSource",
        "NotificationSeverityEnum": "orchestrator.ops.notifications.models.Severity",
        "SettingSourceEnum": ["env", "org", "repo"],
        "RollbackKindEnum": "orchestrator.ops.rollback.models.RollbackKind",
        "RollbackStatusEnum": "orchestrator.ops.rollback.models.RollbackStatus",
        "AnnouncementStatusEnum": "orchestrator.ops.rollback.models.AnnouncementStatus",
        "VoteVerdictEnum": "orchestrator.ops.rollback.models.VoteVerdict",
        "OnboardingStatusEnum": "onboarding.models.OnboardingStatus",
        "OnboardingStepStatusEnum": "onboarding.models.StepStatus",
        "OnboardingStepKindEnum": "onboarding.models.StepKind",
        "IncidentNoteKindEnum": "orchestrator.ops.incidents.handling.NOTE_KINDS",
        "IncidentEntryKindEnum": "orchestrator.ops.incidents.models.EntryKind",
    },
}
