"""Writes flows until it is stopped: ``python -m tests.ops.backups.writer`` with DATABASE_URL."""

import itertools

import django

django.setup()

from tests import scenes  # noqa: E402 - after Django is set up


def write_flow(number: int) -> None:
    """A flow whose first stages have passed, with calls of models."""
    made = scenes.make_flow(scenes.make_repo(f"repo-{number % 7}"))
    for kind, provider, model in scenes.STAGES[:2]:
        claim = scenes.start_kind(made, kind)
        scenes.record_call(claim, provider, model, "0.0021")
        scenes.finish_stage(claim, model=model)


for number in itertools.count():
    write_flow(number)
