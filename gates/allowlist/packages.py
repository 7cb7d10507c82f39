"""What well-known packages do beyond computing. Of other packages only their names are seen."""

import ast
from collections.abc import Collection, Iterator

from gates.allowlist.bindings import Bindings

# Packages that are there to reach something.
_REACHING = {
    "network": frozenset(
        """
        aiohttp aiosmtplib asyncpg boto3 botocore cassandra elasticsearch grpc httplib2 httpx kafka ldap3
        motor mysql nats paho paramiko pika psycopg psycopg2 pymongo pymysql redis requests urllib3 websocket
        websockets
        """.split()  # noqa: SIM905 - a list of words reads better as words
    ),
    "subprocess": frozenset({"fabric", "invoke", "pexpect", "plumbum", "psutil", "sh"}),
}
# A source that was given a seed can be repeated.
_SEEDED = frozenset(
    f"numpy.random.{name}" for name in ("PCG64", "RandomState", "SeedSequence", "default_rng")
)
# Functions of packages that compute otherwise.
_READERS = {
    "numpy": frozenset({"fromfile", "genfromtxt", "load", "loadtxt", "memmap"}),
    "pandas": frozenset(
        """
        ExcelFile HDFStore read_clipboard read_csv read_excel read_feather read_fwf read_hdf read_html
        read_json read_orc read_parquet read_pickle read_sas read_spss read_sql read_sql_query read_sql_table
        read_stata read_table read_xml
        """.split()  # noqa: SIM905 - a list of words reads better as words
    ),
}
_WRITERS = {
    "numpy": frozenset({"save", "savetxt", "savez", "savez_compressed"}),
    "pandas": frozenset({"ExcelWriter"}),
}
# Methods of what packages make. Without arguments these give a text.
_WRITING_METHODS = frozenset(
    """
    to_csv to_excel to_feather to_hdf to_html to_json to_latex to_markdown to_orc to_parquet to_stata to_xml
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_ALWAYS_WRITING = frozenset({"to_clipboard", "to_pickle", "to_sql", "tofile"})
_PLACES = frozenset({"path_or_buf", "path", "buf", "excel_writer", None})
# These evaluate a text, which has to be literal.
EVALUATORS = frozenset({"eval", "query"})
_IN_MEMORY = ("io.BytesIO", "io.StringIO")


def package_call_capability(path: str, call: ast.Call, bindings: Bindings) -> Iterator[str]:
    """What a call of a package's function needs."""
    root, _, name = path.partition(".")
    yield from (capability for capability, roots in _REACHING.items() if root in roots)
    if path.startswith("numpy.random.") and not (path in _SEEDED and (call.args or call.keywords)):
        yield "randomness"
    source = bindings.resolve(call.args[0]) if call.args else None
    if source is not None and source.path in _IN_MEMORY:
        return
    if name in _READERS.get(root, ()):
        yield "files:read"
    if name in _WRITERS.get(root, ()):
        yield "files:write"


def evaluates_text(node: ast.Call, taken: Collection[str], bindings: Bindings) -> bool:
    """Whether a call evaluates a text of a package's language that is not literal."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name not in EVALUATORS or not any(each.startswith("pandas.") for each in taken):
        return False
    given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg in ("expr", None))]
    return any(bindings.find_literals(each) is None for each in given)


def package_method_capability(name: str, taken: Collection[str], call: ast.Call | None) -> str:
    """What a method of an unknown value needs; empty for none.

    ``taken`` is what its file takes from packages.
    """
    if not any(each.startswith(("numpy.", "pandas.")) for each in taken):
        return ""
    if name in _ALWAYS_WRITING:
        return "files:write"
    if name not in _WRITING_METHODS:
        return ""
    names_place = call is None or bool(call.args) or any(each.arg in _PLACES for each in call.keywords)
    return "files:write" if names_place else ""
