"""Foreign keys point down the layers. Import contracts cannot see them: a key may name its target as text."""

import pytest
from django.apps import apps
from django.db import models

# Top to bottom; an app may point into its own layer's own tables and into those below. gates | providers |
# core have none above.
LAYERS = (
    "onboarding",
    "orchestrator.ops",
    "orchestrator.flows",
    "orchestrator.repos",
    "providers",
    "orchestrator.core",
)


def layer_of(model: type[models.Model]) -> int | None:
    """The place of a model's app in ``LAYERS``; None for tables of Django and other packages."""
    name = apps.get_app_config(model._meta.app_label).name
    for place, layer in enumerate(LAYERS):
        if name == layer or name.startswith(f"{layer}."):
            return place
    return None


def keys() -> list[models.ForeignKey | models.ManyToManyField]:
    return [
        field
        for model in apps.get_models(include_auto_created=True)
        if layer_of(model) is not None
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.ManyToManyField)
    ]


def test_there_are_keys_to_look_at():
    assert len(keys()) > 10


@pytest.mark.parametrize("key", keys(), ids=str)
def test_a_foreign_key_points_down(key):
    target = layer_of(key.related_model)
    if target is None:  # a table of Django's, below everything
        return
    source = layer_of(key.model)
    assert source <= target, f"{key} points up to {key.related_model._meta.label}"
    if source == target:
        assert key.model._meta.app_label == key.related_model._meta.app_label, f"{key} points at a sibling"


def test_the_gates_have_no_tables():
    assert not list(apps.get_app_config("gates").get_models())


def test_the_ledger_knows_nobody():
    own = apps.get_app_config("providers").get_models()
    assert not [field for model in own for field in model._meta.get_fields() if field.is_relation]
