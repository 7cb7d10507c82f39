"""What pages type beside `blocks`: commands of `manage.py` with their options, targets of make, addresses."""

import re
import shlex

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from orchestrator.broker_address import parse_broker_url
from orchestrator.settings import _parse_replica_url
from tests.docs.test_typed_commands import PAGES, ROOT


def list_lines(pattern: str) -> list[str]:
    """What the pattern finds in code blocks of all pages, each once."""
    found: set[str] = set()
    for page in PAGES:
        # That page has usages, made from the parsers themselves.
        if page.name == "manage-commands.md":
            continue
        for block in re.findall(r"```(?:bash|sh|)\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            found |= set(re.findall(pattern, block.replace("\\\n", " "), re.M))
    return sorted(found)


MANAGED = list_lines(r"^\s*(?:\S+=\S+ )*(?:\S*python )?\S*manage\.py ([a-z_]+.*)$")


def test_there_are_commands_to_look_at():
    assert any(one.startswith("mark_restore_point ") for one in MANAGED)
    assert any(one.startswith("apply_retention") for one in MANAGED)


@pytest.mark.parametrize("typed", MANAGED)
def test_a_command_of_manage_takes_what_is_typed(typed):
    name, *words = shlex.split(re.split(r"\s+(?:[|>]|2>|&&)", typed)[0], comments=True)
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    try:
        parser.parse_args(words)
    except (CommandError, SystemExit) as error:
        raise AssertionError(f"{typed}: {error}") from error


@pytest.mark.parametrize("target", list_lines(r"^\s*(?:\S+=\S+ )*make ([a-z][a-z-]+)"))
def test_a_target_of_make_is_there(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.M)


def test_addresses_are_read_as_they_are_typed():
    (broker,) = list_lines(r"^REDIS_URL='(.*)'$")
    found = parse_broker_url(broker)
    assert found.master == "blocks"
    assert len(found.sentinels) == 3
    assert found.sentinel_password == "SECRET"
    assert found.ca_file == "/etc/redis/ca.pem"
    (replicas,) = list_lines(r"^DATABASE_REPLICA_URLS=(.*)$")
    hosts = [_parse_replica_url(one, pool_size=1)["HOST"] for one in replicas.split(",")]
    assert hosts == ["replica-1", "replica-2"]
