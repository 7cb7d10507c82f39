"""The least that keeping the same promises could cost, for ``bench.provider_call``: the bare SDK between two
statements.

Before the call one UPDATE of one row waits for the disk; after it one UPDATE stores the answer and does not
wait. Both are prepared, on a connection that stays open. There is no limit, ledger, breaker or price.
"""

import json
import os

import psycopg

from bench.provider_call_load import join_pieces, serve_turns
from bench.provider_call_sdk import stream_answer

database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
database.execute("CREATE TABLE bench_least (lent int, answer jsonb)")
database.execute("INSERT INTO bench_least VALUES (0, NULL)")
STORE = """WITH asynchronously AS (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE bench_least SET lent = lent - 1, answer = %s::jsonb FROM asynchronously"""


def call_model(number: int) -> str | None:
    """Make one call between the two statements; returns the answer's text."""
    database.execute("UPDATE bench_least SET lent = lent + 1", prepare=True)
    text = join_pieces(stream_answer(number))
    database.execute(STORE, [json.dumps({"text": text})], prepare=True)
    return text


if __name__ == "__main__":
    serve_turns(call_model)
