"""The one form of a table of implementations, and every such table of the product.

A table is found by its text, ``Registry(``, in a module of the product; the annotation of its constant says
what its members are. So a new registry is held to the same rules without a line here.
"""

import inspect
import typing
from importlib import import_module
from pathlib import Path

import pytest
from typing_extensions import get_protocol_members, is_protocol

from orchestrator.core.registry import Registry, UnknownMember
from orchestrator.flows import flow_types
from orchestrator.flows.stages import registry as stage_registry

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestrator", "providers", "gates", "onboarding")
# Members that need a package which is installed only where it is asked for.
OPTIONAL = {"google-generativeai": "google.generativeai"}


def find_registries() -> dict[str, tuple[Registry, object]]:
    """Every registry of the product as ``module:NAME``, with the type that its annotation promises for
    members.
    """
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if " = Registry(" not in path.read_text(encoding="utf-8"):
                continue
            module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            hints = typing.get_type_hints(module)
            for name, value in vars(module).items():
                if isinstance(value, Registry) and f"\n{name}: " in f"\n{path.read_text(encoding='utf-8')}":
                    found[f"{module.__name__}:{name}"] = (value, typing.get_args(hints[name])[0])
    return found


REGISTRIES = find_registries()
MEMBERS = [(table, name) for table, (registry, _) in REGISTRIES.items() for name in registry.names()]


def check_member(member: object, promised: object) -> None:
    """Hold a member against a protocol, a class, ``type[...]`` or a ``Callable``."""
    origin = typing.get_origin(promised)
    if origin is type or (origin is not None and origin.__name__ == "Callable"):
        assert callable(member)
        if origin is type and is_protocol(typing.get_args(promised)[0]):
            check_protocol(member, typing.get_args(promised)[0], of_class=True)
    elif isinstance(promised, type) and is_protocol(promised):
        check_protocol(member, promised)
    elif isinstance(promised, type):
        assert isinstance(member, promised)


def check_protocol(member: object, protocol: type, *, of_class: bool = False) -> None:
    """``member`` has what ``protocol`` lists, and its methods take the same parameters. An instance may set
    attributes later.
    """
    for name in get_protocol_members(protocol):
        promised = getattr(protocol, name, None)
        if not callable(promised):
            assert of_class or hasattr(member, name), f"{member!r} lacks {name}"
            continue
        wanted = [parameter for parameter in inspect.signature(promised).parameters if parameter != "self"]
        given = [
            parameter
            for parameter in inspect.signature(getattr(member, name)).parameters
            if parameter != "self"
        ]
        assert given[: len(wanted)] == wanted, f"{member!r}.{name} takes {given}, promised is {wanted}"


@pytest.mark.parametrize(("table", "name"), MEMBERS, ids=[f"{table}-{name}" for table, name in MEMBERS])
def test_each_line_imports_and_its_member_is_what_the_table_promises(table, name):
    registry, promised = REGISTRIES[table]
    if package := OPTIONAL.get(name):
        pytest.importorskip(package)
    check_member(registry.get(name), promised)


@pytest.mark.parametrize("table", REGISTRIES)
def test_each_table_names_its_members_once_and_lists_them_when_one_is_unknown(table):
    registry, _ = REGISTRIES[table]
    assert len(set(registry.names())) == len(registry.names()) == len(registry)
    paths = list(registry.paths().values())
    assert len(set(paths)) == len(paths), "two names for one member"
    with pytest.raises(UnknownMember) as refused:
        registry.get("no-such-member")
    assert registry.kind in refused.value.message
    for name in registry.names():
        assert name in refused.value.cure


def test_a_member_is_imported_at_its_first_use_and_then_kept():
    registry: Registry[object] = Registry(
        "thing", {"one": "no.such.module:thing", "two": "collections:deque"}
    )
    assert registry.names() == ("one", "two") == tuple(registry)
    assert "one" in registry, "listing and asking import nothing"
    assert registry.get("two") is registry.get("two")
    with pytest.raises(ModuleNotFoundError):
        registry.get("one")


def test_a_plugin_adds_members_and_may_replace_one():
    extra: dict[str, str] = {}
    registry: Registry[object] = Registry("thing", {"two": "collections:deque"}, plugins=lambda: extra)
    assert registry.get("two").__name__ == "deque"
    extra.update({"two": "collections:Counter", "three": "collections:ChainMap"})
    assert registry.get("two").__name__ == "Counter"
    assert dict(registry.items()).keys() == {"two", "three"}


def test_the_modules_of_engine_plugins_bring_stages_and_flow_types(settings):
    settings.ENGINE_PLUGINS = ("tests.flows.engine.plugin",)
    plugin = import_module("tests.flows.engine.plugin")
    assert stage_registry.load_stage("noop") is plugin.noop
    assert flow_types.SOURCES.get("tests.flows.engine.plugin") is plugin.FLOW_TYPES
    settings.ENGINE_PLUGINS = ()
    assert "noop" not in stage_registry.STAGES, "a stage goes with its plugin"
    assert set(flow_types.SOURCES) == {"orchestrator"}


def test_a_plugin_that_names_a_module_alone_means_its_object_stage(settings, monkeypatch):
    plugin = import_module("tests.flows.engine.plugin")
    monkeypatch.setattr(plugin, "STAGES", {"copy": "orchestrator.flows.stages.plan"})
    monkeypatch.setattr(stage_registry.PLUGIN_STAGES, "_loaded", {})
    settings.ENGINE_PLUGINS = ("tests.flows.engine.plugin",)
    assert stage_registry.load_stage("copy") is stage_registry.load_stage("plan")


def test_an_unknown_kind_of_stage_is_refused_with_the_known_ones():
    with pytest.raises(UnknownMember) as refused:
        stage_registry.load_stage("no-such-stage")
    assert "implement" in refused.value.cure
