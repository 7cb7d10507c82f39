"""The reference pages that are generated: each is what the code gives now, and leaves nothing unexplained."""

import ast
import re
from pathlib import Path

import pytest

from docs.generators import commands, error_codes, manage_commands, metrics
from docs.generators.markdown import build_table, escape_cell
from docs.generators.pages import PAGES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("place", PAGES)
def test_a_generated_page_is_what_the_code_gives_now(place, db):
    written = (ROOT / place).read_text(encoding="utf-8")
    assert written == PAGES[place](), f"{place} is out of date: type `make reference` and commit it"


def test_every_generated_page_is_in_the_index():
    index = (ROOT / "docs/reference/index.md").read_text(encoding="utf-8")
    assert [place for place in PAGES if f"({Path(place).name})" not in index] == []


def list_rows(page: str) -> list[list[str]]:
    lines = re.findall(r"^\| `.*\|$", page, re.M)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("build", [commands.build_commands_page, manage_commands.build_manage_page])
def test_every_argument_and_option_says_what_it_does(build):
    rows = list_rows(build())
    assert len(rows) > 15
    assert [row for row in rows if not row[2]] == []


def test_every_command_is_there_once_with_its_help():
    names = [name for name, _ in commands.list_commands()]
    assert {"blocks init", "blocks flow run", "blocks verify attestation", "blocks test-flow"} <= set(names)
    assert len(names) == len(set(names))
    assert [name for name, command in commands.list_commands() if not command.help] == []


@pytest.fixture(scope="module")
def codes():
    """Read once: it parses the whole product."""
    return {one.code: one for one in error_codes.collect_codes()}


def test_every_error_code_has_a_meaning_and_a_known_area(codes):
    assert len(codes) > 100
    assert [code for code, one in codes.items() if not one.meaning] == []
    areas = {code.partition(":")[0] for code in codes}
    assert areas == set(error_codes.AREAS), "describe each area in docs/generators/error_codes.py"
    assert set(error_codes.MEANINGS) <= set(codes), "a meaning of a code that is gone"


def test_what_stands_beside_a_code_is_what_its_row_says(codes):
    # The attributes of a class, an argument by position, an argument by name, and one that is inherited.
    assert codes["provider:rate-limited"].fixed_by == "provider"
    assert codes["request:body-too-large"].cure == "Send fewer files as context."
    assert codes["cli:unreachable"].meaning == "The service at <url> cannot be reached (<name>)."
    assert codes["provider:timeout"].cure == codes["provider:server-error"].cure != ""


def test_a_code_that_stands_in_the_source_under_an_unknown_area_is_found(monkeypatch, tmp_path):
    (tmp_path / "strange.py").write_text('raise Failure("No.", code="strange:code")\n', encoding="utf-8")
    monkeypatch.setattr(error_codes, "_list_sources", lambda: iter([tmp_path / "strange.py"]))
    (found,) = error_codes.collect_codes()
    assert (found.code, found.meaning) == ("strange:code", "No.")


def test_members_of_an_enumeration_are_no_error_codes(monkeypatch, tmp_path):
    text = 'class Scope(StrEnum):\n    READ = "flows:read"\nneeded = ("flows:read",)\n'
    (tmp_path / "scopes.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(error_codes, "_list_sources", lambda: iter([tmp_path / "scopes.py"]))
    assert error_codes.collect_codes() == []


def test_every_metric_of_an_alert_is_described(db):
    described = {family.name for family in metrics.list_metrics()}
    # What Prometheus makes itself, and the parts that a histogram and a summary consist of.
    described |= {f"{name}{end}" for name in described for end in ("_bucket", "_sum", "_count")}
    own = re.compile(r"(flow|orchestrator|provider|quality_gate|block|stage|model|critical)_")
    alerts = metrics.map_alerts()
    names = {name for found in alerts.values() for name in found}
    used = {name for name in alerts if own.match(name)} - names
    assert len(used) > 15
    assert used - described == set()


def test_cells_hold_any_text():
    assert escape_cell("a | b\nc") == "a \\| b c"
    assert escape_cell("`<id>` of <name>, [x] *y*") == "`<id>` of &lt;name>, \\[x] \\*y\\*"
    assert escape_cell("an odd ` and <b>") == "an odd ` and &lt;b>"
    assert build_table(("one", "two"), [["a", ""]]) == "| one | two |\n|---|---|\n| a |  |"


def read_code_defaults() -> dict[str, str]:
    """Variable to default, as the table spells it, of every setting whose default is a literal."""
    tree = ast.parse((ROOT / "orchestrator/settings.py").read_text(encoding="utf-8"))
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("env.read_"):
            continue
        name = node.args[0]
        named = {one.arg: one.value for one in node.keywords}
        default = named.get("default") or (node.args[1] if len(node.args) > 1 else None)
        if isinstance(name, ast.Constant) and isinstance(default, ast.Constant):
            found[str(name.value)] = spell_default(default.value)
    return found


def spell_default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "none"


# Where the page says in words what the code has as a value, or what an empty value amounts to.
SAID_IN_WORDS = {
    "ALLOWED_HOSTS", "EVIDENCE_SIGNING_KEY", "PAGERDUTY_EVENTS_URL", "ROI_SOURCE", "SLACK_API_URL",
}  # fmt: skip


def test_the_defaults_of_the_settings_page_are_those_of_the_code():
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    written = {}
    for names, default in re.findall(r"^\| ([^|]*) \| ([^|]*) \|", page, re.M):
        listed = re.findall(r"`([A-Z0-9_]+)`", names)
        values = [value.strip().strip("`") for value in default.split(", ")]
        for number, name in enumerate(listed):
            # One default for all names of a row, or one for each.
            written[name] = values[number] if len(values) == len(listed) else values[0]
    known = read_code_defaults()
    assert len(known) > 50
    wrong = {
        name: (written.get(name), value)
        for name, value in known.items()
        if name not in SAID_IN_WORDS and written.get(name) != value
    }
    assert wrong == {}
