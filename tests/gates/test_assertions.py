"""Which tests assert nothing."""

import pytest

from gates.assertions import find_tests_without_assertion

ASSERTING = (
    "def test_a():\n    assert f(1) == 2\n",
    "def test_a():\n    with pytest.raises(ValueError):\n        f(0)\n",
    "def test_a(mock):\n    f(mock)\n    mock.assert_called_once_with(1)\n",
    "def check(x):\n    assert x.ok\n\n\ndef test_a():\n    check(f(1))\n",
    "def check(x):\n    assert x.ok\n\n\ndef twice(x):\n    check(x)\n\n\ndef test_a():\n    twice(f(1))\n",
    "async def test_a():\n    assert await f(1)\n",
    "class TestA(TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)\n",
    "def test_a():\n    if not f(1):\n        pytest.fail('no')\n",
)
SILENT = (
    "def test_a():\n    f(1)\n",
    "def test_a():\n    assert True\n",
    "def test_a():\n    assert 1 + 1 == 2\n",
    "def test_a():\n    assert 'text'\n",
    "def test_a():\n    asserted(f(1))\n",
    "def test_a():\n    pass\n",
    "def check(x):\n    assert x\n\n\ndef test_a():\n    check\n",
    "def one(x):\n    two(x)\n\n\ndef two(x):\n    one(x)\n\n\ndef test_a():\n    one(1)\n",
)


@pytest.mark.parametrize("source", ASSERTING)
def test_assertion_is_seen(source: str) -> None:
    assert find_tests_without_assertion(source) == ()


@pytest.mark.parametrize("source", SILENT)
def test_test_that_cannot_fail_is_named(source: str) -> None:
    ((name, line),) = find_tests_without_assertion(source)

    assert name == "test_a"
    assert source.splitlines()[line - 1].startswith("def test_a")
