"""The least that keeping the same promises could cost, for ``bench.provider_call``: the bare SDK between two
statements.

Before the call one UPDATE of one row waits for the disk; after it one UPDATE stores the answer and does not
wait. Both are prepared, on a connection that stays open. There is no limit, ledger, breaker or price.
"""

import os

import psycopg

from bench.provider_call_load import MAX_TOKENS, MODEL, compose_messages, serve_turns
from bench.provider_call_sdk import client

database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
database.execute("CREATE TABLE bench_least (lent int, answer jsonb)")
database.execute("INSERT INTO bench_least VALUES (0, NULL)")
STORE = """WITH asynchronously AS (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE bench_least SET lent = lent - 1, answer = %s::jsonb FROM asynchronously"""


def call_model(number: int) -> str | None:
    """Make one call between the two statements; returns the answer's text."""
    database.execute("UPDATE bench_least SET lent = lent + 1", prepare=True)
    answer = client.chat.completions.create(
        model=MODEL,
        max_tokens=MAX_TOKENS,
        messages=compose_messages(number),  # type: ignore[arg-type]  # plain dictionaries, as users pass them
    )
    database.execute(STORE, [answer.to_json(indent=None)], prepare=True)
    return answer.choices[0].message.content


if __name__ == "__main__":
    serve_turns(call_model)
