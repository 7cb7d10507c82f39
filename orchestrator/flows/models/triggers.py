"""Triggers that let a status move only along the tables of ``states``.

A migration installs them; when a table of moves changes, a new migration installs them again. The list of moves stands
in the trigger's WHEN clause, so that an allowed move costs no function call.
"""

from collections.abc import Mapping

REFUSE = """
CREATE OR REPLACE FUNCTION flows_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% cannot move from % to %', TG_TABLE_NAME, OLD.status, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$
"""


def guard(table: str, moves: Mapping[str, frozenset[str]]) -> str:
    """SQL that (re)installs the guard of ``table``: any other change of status raises a check violation."""
    allowed = ",".join(sorted(f"{old}>{new}" for old, news in moves.items() for new in news))
    return (
        f"{REFUSE};\n"
        f"CREATE OR REPLACE TRIGGER {table}_moves BEFORE UPDATE OF status ON {table} FOR EACH ROW\n"
        f"WHEN (OLD.status IS DISTINCT FROM NEW.status\n"
        f"    AND NOT (OLD.status || '>' || NEW.status = ANY ('{{{allowed}}}'::text[])))\n"
        f"EXECUTE FUNCTION flows_refuse_move()"
    )


def unguard(table: str) -> str:
    """SQL that takes the guard of ``table`` away."""
    return f"DROP TRIGGER IF EXISTS {table}_moves ON {table}"
