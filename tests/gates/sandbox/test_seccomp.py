"""The filter as bytes, on both architectures: whole instructions, jumps inside, a verdict at the end."""

import struct

import pytest

from gates.sandbox.seccomp import MACHINES, REFUSED, assemble_filter


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("shares_user", [False, True])
@pytest.mark.parametrize("loopback", [False, True])
def test_every_jump_lands_inside(machine: str, shares_user: bool, loopback: bool) -> None:
    code = assemble_filter(machine, shares_user=shares_user, loopback=loopback)
    instructions = list(struct.iter_unpack("=HBBI", code))
    assert len(instructions) < 4096
    for index, (operation, when_true, when_false, _) in enumerate(instructions):
        if operation & 0x07 == 0x05:
            assert index + 1 + max(when_true, when_false) < len(instructions)
    assert instructions[-1][0] == 0x06


def test_no_number_is_there_twice() -> None:
    for column in range(len(MACHINES)):
        numbers = [numbers[column] for numbers in REFUSED.values() if numbers[column] is not None]
        assert len(numbers) == len(set(numbers))


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        assemble_filter("vax")
