"""The configuration of a repo comes from the author of the repo, for the command line and for the service."""

import pytest

from blocks.format.config_file import MOST_BYTES, read_config
from blocks.format.errors import FormatError
from blocks.format.selection import CONFIG
from gates.environments import EnvironmentRefused
from orchestrator.flows.verification.environment import name_packages, read_dependencies

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(12)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{'<<': [{', '.join([f'*a{n - 1}'] * 20)}]}}\n" for n in range(1, 12)
)
HOSTILE = {
    "an alias bomb": BOMB,
    "a bomb of merges": MERGED,
    "deep lists": "repo: " + "[" * 20_000,
    "deep objects": "a: " * 2000,
    "too much": "#" * (MOST_BYTES + 1),
    "not UTF-8": b"repo: \xff",
    "a key twice": "repo: a\nrepo: b\n",
    "a list": "- a\n",
    "not YAML": "repo: [",
    "control characters": "repo: \x1b[2J",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_could_hurt_a_reader_is_refused(kind: str) -> None:
    text = HOSTILE[kind]
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(FormatError):
        read_config(raw)
    with pytest.raises(EnvironmentRefused) as refused:
        read_dependencies(raw)
    assert CONFIG in str(refused.value)
    assert len(str(refused.value)) < 200
    assert name_packages({CONFIG: raw}) == ()


def test_every_value_is_a_text() -> None:
    text = "repo: 1.0\nurl: on\nblock_family:\nbig: 0x1\ntime: 1:1:1\ntag: !!python/name:os.system x\n"
    assert read_config(text.encode()) == {
        "repo": "1.0",
        "url": "on",
        "block_family": "",
        "big": "0x1",
        "time": "1:1:1",
        "tag": "x",
    }
    assert read_config(b"# nothing\n") == read_config(b"") == {}
    assert read_dependencies(b"dependencies:\n- six==1.0\n- attrs==2\n") == ("six==1.0", "attrs==2")
