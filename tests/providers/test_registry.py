import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from providers import registry
from providers.base import AuthenticationFailed, UnknownModel
from tests.providers.simulated import started


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    registry.close_adapters()


@pytest.fixture
def provide(settings: Settings) -> Callable[..., None]:
    settings.PROVIDERS = deepcopy(configured.PROVIDERS)

    def change(provider: str, **options: str) -> None:
        settings.PROVIDERS[provider] |= {"api_key": "", "base_url": "", **options}

    return change


def test_one_adapter_per_provider_for_all_threads(provide: Callable[..., None]) -> None:
    provide("openai", api_key="k")
    with ThreadPoolExecutor(8) as pool:
        assert (
            len({id(adapter) for adapter in pool.map(lambda _: registry.get_adapter("openai"), range(32))})
            == 1
        )


def test_a_changed_setting_gets_an_adapter_of_its_own(provide: Callable[..., None]) -> None:
    provide("openai", api_key="k")
    first = registry.get_adapter("openai")
    provide("openai", api_key="k", base_url="http://127.0.0.1:1/v1")
    assert registry.get_adapter("openai") is not first


def test_a_missing_key_names_its_variable(provide: Callable[..., None]) -> None:
    provide("anthropic")
    with pytest.raises(AuthenticationFailed, match="ANTHROPIC_API_KEY"):
        registry.get_adapter("anthropic")


def test_a_server_of_ones_own_needs_no_key(provide: Callable[..., None]) -> None:
    provide("openai", base_url="http://127.0.0.1:1/v1")
    assert registry.get_adapter("openai").name == "openai"


def test_an_unknown_provider(provide: Callable[..., None]) -> None:
    with pytest.raises(UnknownModel):
        registry.get_adapter("nonesuch")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-opus-5", "anthropic"),
        ("gemini-pro", "google"),
        ("gpt-4-turbo", "openai"),
        ("o3", "openai"),
        ("models/gemini-x", "google"),
    ],
)
def test_a_model_says_whose_it_is(model: str, provider: str) -> None:
    assert registry.provider_for_model(model) == provider


def test_any_other_model_belongs_to_the_compatible_server_if_there_is_one(
    provide: Callable[..., None],
) -> None:
    provide("openai", api_key="k")
    with pytest.raises(UnknownModel):
        registry.provider_for_model("qwen3-coder")
    provide("openai", base_url="http://127.0.0.1:1/v1")
    assert registry.provider_for_model("qwen3-coder") == "openai"


def test_a_worker_of_one_queue_pays_for_one_sdk() -> None:
    code = (
        "import sys; from providers import registry; registry.ADAPTERS.get('openai'); "
        "print([name for name in ('anthropic', 'openai', 'google.genai') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "['openai']"


def test_a_forked_child_builds_its_own(provide: Callable[..., None]) -> None:
    """As Celery's prefork pool does: a child must not share the parent's connections, nor close them."""
    provide("openai", api_key="k")
    parent = registry.get_adapter("openai")
    child = os.fork()
    if child == 0:
        os._exit(0 if registry.get_adapter("openai") is not parent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert registry.get_adapter("openai") is parent


@pytest.mark.slow
def test_a_process_closes_the_connections_that_it_kept_open() -> None:
    script = (
        "import django; django.setup(); from providers import registry; from providers.base import Request\n"
        "models = {'openai': 'gpt-4.1', 'anthropic': 'claude-sonnet-4-5', 'google': 'gemini-pro'}\n"
        "for provider, model in models.items():\n"
        "    asked = Request(model=model, system='', prompt='x', max_output_tokens=9, timeout_seconds=20)\n"
        "    registry.get_adapter(provider).complete(asked)\n"
    )
    with started("--echo") as simulator:
        urls = {name: url for name, url in simulator.urls.items() if name.endswith("_BASE_URL")}
        keys = {f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GOOGLE")}
        done = subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", "-c", script],
            env=os.environ | urls | keys | {"DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
