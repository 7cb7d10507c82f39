"""Every row of the table through the vendor's own SDK and our adapter: a typed outcome for who can fix it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from providers import registry
from providers.base import Adapter, ProviderError, Request
from tests.providers.wire.odd_rows import ODD_ROWS
from tests.providers.wire.rows import ROWS, WireRow
from tests.providers.wire.server import RowServer

MODELS = {
    "anthropic": "claude-opus-4-1",
    "openai": "gpt-4.1",
    "responses": "gpt-5",
    "google": "gemini-2.5-flash",
}


def ask(vendor: str) -> Request:
    return Request(
        model=MODELS[vendor], system="s", prompt="p" * 40, max_output_tokens=100, timeout_seconds=20
    )


@pytest.fixture(scope="module")
def server() -> Iterator[RowServer]:
    with RowServer() as running:
        yield running


@pytest.fixture(scope="module")
def adapters(server: RowServer) -> Iterator[dict[str, Adapter]]:
    built = {
        "anthropic": registry.ADAPTERS.get("anthropic")("k", server.url),
        "openai": registry.ADAPTERS.get("openai")("k", f"{server.url}/v1"),
        "google": registry.ADAPTERS.get("google-genai")("k", server.url),
    }
    with closing(built["anthropic"]), closing(built["openai"]), closing(built["google"]):
        yield built


def test_names_are_given_once() -> None:
    assert len({row.name for row in (*ROWS, *ODD_ROWS)}) == len(ROWS) + len(ODD_ROWS)


@pytest.mark.parametrize("row", [*ROWS, *ODD_ROWS], ids=lambda row: row.name)
def test_a_row_becomes_what_the_table_says(
    row: WireRow, server: RowServer, adapters: dict[str, Adapter]
) -> None:
    server.row, server.asked = row, []
    if row.error is None:
        answer = adapters[row.provider].complete(ask(row.vendor))
        assert (answer.stop_reason, answer.usage_source) == (row.stop, row.source)
        assert answer.usage.total >= 0
    else:
        with pytest.raises(ProviderError) as raised:
            adapters[row.provider].complete(ask(row.vendor))
        error = raised.value
        assert type(error) is row.error
        assert error.provider == row.provider
        assert row.says in str(error)
        # What people read is plain text, and what vendors send may be anything.
        assert str(error).isprintable()
        assert error.retry_after_seconds is None or error.retry_after_seconds > 0
    assert len(server.asked) == 1
