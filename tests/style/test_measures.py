"""How the product reads, as limits (``python -m tests.style.measure``)."""

from pathlib import Path

import pytest

from tests.style.measure import PRODUCT, ROOT, Measured, add_source, flows_structure, measure

# Loads that are not tables of implementations, each with its reason.
NOT_REGISTRIES = {
    "gates/harness/child_work.py": "imports packages of the block before the fork, inside the sandbox",
    "blocks/cli/lazy_commands.py": "start-up of the command line: a command is imported when it is called",
    "gates/harness/entry_points.py": (
        "loads the block under test inside the sandbox, where the server is not installed"
    ),
    "gates/scanner_server.py": "runs programs that others wrote, by the names of their modules",
    "orchestrator/dev/zygote.py": "imports before the fork what its children run",
    "orchestrator/redis_import.py": "keeps one package from importing another",
    "gates/harness/pytest_run.py": "prepares hypothesis in the sandbox, for the tests that use it",
}
# One base for each distribution, the shape of a REST answer, and the simulator's, which answers like a
# vendor.
ERROR_BASES = {"BlocksError", "OrchestratorError", "Problem", "RequestRejected"}
LIMITS = {
    "one-word function names, %": 40,
    "lines over 110 characters": 0,
    "class names used twice": 0,
    "lines of SQL in Python literals": 150,
    "lines with two conditional expressions or two comprehensions": 0,
}
FEWEST_COMMENTS = 4
ROOMS_OF_FLOWS = 22


@pytest.fixture(scope="module")
def product() -> Measured:
    return measure(ROOT, PRODUCT)


@pytest.mark.parametrize("name", LIMITS)
def test_no_figure_is_over_its_limit(product: Measured, name: str) -> None:
    assert float(product.rows()[name]) <= LIMITS[name]


def test_comments_are_not_too_few(product: Measured) -> None:
    assert round(product.comment_share, 1) >= FEWEST_COMMENTS


def test_flows_has_few_rooms_and_no_arrow_runs_back() -> None:
    structure = flows_structure(ROOT)
    assert int(structure["rooms of flows"]) <= ROOMS_OF_FLOWS
    assert structure["arrows that run back"] == "0"


def test_errors_have_one_base_in_each_distribution(product: Measured) -> None:
    assert {place.split()[1] for place in product.places["error base"]} <= ERROR_BASES


def test_registries_have_one_form(product: Measured) -> None:
    by_hand = {place.split(":")[0] for place in product.places["registry by hand"]}
    assert by_hand <= NOT_REGISTRIES.keys()


def measure_text(text: str, name: str = "gates/example.py") -> Measured:
    """The measures of one file with the content ``text``."""
    found = Measured()
    add_source(found, name, text)
    return found


def test_a_name_counts_without_its_leading_underscores_and_special_methods_do_not() -> None:
    found = measure_text("def _do(): pass\ndef read_it(): pass\nclass A:\n    def __init__(self): pass\n")
    assert (found.functions, found.one_word) == (2, 1)


def test_a_marker_for_a_tool_is_not_a_comment_unless_a_reason_follows() -> None:
    found = measure_text("import a  # noqa: F401\nimport b  # noqa: F401 - for its effect\n# -----\n# Why.\n")
    assert found.comments == 2


def test_sql_in_short_literals_counts_by_the_line_and_sql_in_a_docstring_does_not() -> None:
    found = measure_text('"""SELECT 1"""\nA = (\n    "SELECT a "\n    "FROM b "\n    f"WHERE {c}"\n)\n')
    assert found.sql_lines == 3


def test_any_built_in_error_with_a_code_is_a_base_and_one_without_is_not() -> None:
    found = measure_text(
        'class A(LookupError):\n    code = "a"\nclass B(Exception): pass\nclass C(A):\n    code = "c"\n'
    )
    assert [place.split()[1] for place in found.places["error base"]] == ["A"]


def test_a_table_of_classes_from_three_modules_is_a_registry_and_values_of_one_module_are_not() -> None:
    imports = "from gates.a import Alpha\nfrom gates.b import Beta\nfrom gates.c import Gamma, Delta, Eta\n"
    assert measure_text(f"{imports}TABLE = [Alpha(), Beta(), Gamma()]\n").registries == 1
    assert measure_text(f"{imports}TABLE = (Gamma, Delta, Eta)\n").registries == 0


def test_an_arrow_runs_back_where_two_rooms_import_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "orchestrator/flows"
    (folder / "engine").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "engine/__init__.py").write_text("")
    (folder / "engine/claim.py").write_text("from orchestrator.flows.stages import plan\n")
    (folder / "stages.py").write_text("from .engine import claim\nfrom orchestrator.flows import models\n")
    (folder / "models.py").write_text("")
    assert flows_structure(tmp_path) == {
        "rooms of flows": "3",
        "floors": "2",
        "arrows between rooms": "3",
        "arrows that run back": "2",
    }
