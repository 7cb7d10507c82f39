"""The database that migrations build is the one that the models and the .sql files describe."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models

ROOT = Path(__file__).parents[1]
OPS = (
    "notifications",
    "rollups",
    "reports",
    "training",
    "alerts",
    "preflight",
    "incidents",
    "rollback",
    "status",
)
APPS = ("core", "repos", "flows", "providers", *OPS, "onboarding")
# How the functions and triggers are now; migrations have their own frozen copies.
DESCRIPTIONS = (
    "orchestrator/core/sql/triggers.sql",
    "providers/sql/functions.sql",
    "orchestrator/flows/sql/triggers.sql",
    "orchestrator/ops/notifications/sql/triggers.sql",
    "orchestrator/ops/reports/sql/triggers.sql",
    "orchestrator/ops/incidents/sql/triggers.sql",
    "orchestrator/ops/rollback/sql/triggers.sql",
    "orchestrator/repos/sql/triggers.sql",
    "onboarding/sql/triggers.sql",
)

# Each query reads one kind of object of the schema that is in the search path; so that names come out
# unqualified.
CATALOG = {
    "columns": """
        SELECT relname || '.' || attname, format_type(atttypid, atttypmod), attnotnull, attidentity, collname,
               pg_get_expr(adbin, adrelid)
        FROM pg_class c
        JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
        LEFT JOIN pg_collation l ON l.oid = attcollation
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'""",
    "tables": """
        SELECT relname, relpersistence, reloptions FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'""",
    "constraints": """
        SELECT relname || '.' || conname, contype, pg_get_constraintdef(o.oid)
        FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid
        WHERE relnamespace = current_schema()::regnamespace""",
    "indexes": """
        SELECT tablename || '.' || indexname, replace(indexdef, current_schema() || '.', '')
        FROM pg_indexes WHERE schemaname = current_schema()""",
    "triggers": """
        SELECT relname || '.' || tgname, tgenabled,
            replace(pg_get_triggerdef(t.oid), current_schema() || '.', '')
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal""",
    "functions": """
        SELECT proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
            prokind, provolatile, proisstrict,
               prosecdef, lanname, proconfig, prosrc
        FROM pg_proc p JOIN pg_language l ON l.oid = prolang
        WHERE pronamespace = current_schema()::regnamespace""",
}


def own_models() -> list[type[models.Model]]:
    models_of_apps = (model for app in APPS for model in apps.get_app_config(app).get_models())
    # A proxy shares the table of its model.
    return [model for model in models_of_apps if not model._meta.proxy]


def read_catalog(schema: str) -> dict[str, set[tuple]]:
    """The product's objects in ``schema``, by kind."""
    tables = {model._meta.db_table for model in own_models()}
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path TO {schema}")
        for kind, query in CATALOG.items():
            cursor.execute(query)
            rows = {tuple(_comparable(value) for value in row) for row in cursor.fetchall()}
            # Django's own tables are in the same schema; functions are all ours.
            found[kind] = {row for row in rows if kind == "functions" or row[0].partition(".")[0] in tables}
    return found


def _comparable(value):
    """Without the comments and the layout of a function, and without the schema of Django's own tables.

    Better words need no migration.
    """
    if isinstance(value, list):
        return tuple(sorted(value))
    if not isinstance(value, str):
        return value
    return " ".join(re.sub(r"--[^\n]*|\bpublic\.", "", value).split())


@pytest.mark.django_db
def test_migrations_build_what_the_models_and_the_sql_files_describe():
    built = read_catalog("public")
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA described")
        # Tables of Django that ours refer to are those of the migrated database.
        cursor.execute("SET LOCAL search_path TO described, public")
    with connection.schema_editor(atomic=False) as editor:
        for model in own_models():
            editor.create_model(model)
    with connection.cursor() as cursor:
        for description in DESCRIPTIONS:
            cursor.execute((ROOT / description).read_text(encoding="utf-8"))
    described = read_catalog("described")
    for kind in CATALOG:
        assert built[kind], kind
        assert built[kind] == described[kind], kind


def test_each_object_of_a_description_has_a_name_and_a_sentence():
    for description in DESCRIPTIONS:
        text = (ROOT / description).read_text(encoding="utf-8")
        blocks = re.split(r"^-- (?:function|trigger|storage): ", text, flags=re.MULTILINE)[1:]
        for block in blocks:
            name, sentence, *_ = block.splitlines()
            assert re.fullmatch(r"[a-z_]+", name), name
            assert re.match(r"-- [A-Za-z_]", sentence), name
        objects = re.findall(r"^CREATE (?:FUNCTION|PROCEDURE) (\w+)", text, re.MULTILINE)
        assert set(objects) <= {block.split()[0] for block in blocks}


@pytest.mark.parametrize("model", own_models(), ids=lambda model: model._meta.label)
def test_every_column_with_a_default_has_it_in_the_database_too(model):
    """So that no INSERT has to list empty values; keys are made by those who insert."""
    for field in model._meta.concrete_fields:
        empty_text = isinstance(field, models.CharField | models.TextField) and field.blank and not field.null
        has_default = field.has_default() or getattr(field, "auto_now_add", False) or empty_text
        if has_default and not field.primary_key:
            assert field.has_db_default(), field.name


def test_no_migration_imports_live_code():
    own = ("orchestrator", "providers", "gates", "onboarding", "blocks")
    for path in ROOT.glob("*/**/migrations/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            live = [name for name in names if name.partition(".")[0] in own]
            assert not live, (path, live)
