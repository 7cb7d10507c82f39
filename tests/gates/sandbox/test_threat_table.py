"""The document's table and the attacks are the same list."""

from pathlib import Path

import pytest

from gates.sandbox.attacks import ATTACKS, AttackResult
from gates.sandbox.registry import BACKENDS
from gates.sandbox.threat_table import BEGIN, END, parse_columns, parse_rows, write_table

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "threat-model.md"


def test_every_attack_stands_in_the_document_as_held_by_every_backend() -> None:
    text = DOCUMENT.read_text()
    assert parse_columns(text) == list(BACKENDS)
    written = parse_rows(text)
    assert list(written) == [attack.name for attack in ATTACKS]
    for attack in ATTACKS:
        claim, *verdicts = written[attack.name]
        assert claim == attack.claim
        assert verdicts == ["held"] * len(BACKENDS)


def test_a_breach_is_written_as_one(tmp_path: Path) -> None:
    document = tmp_path / "model.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    results = [AttackResult(attack, "out" if attack.name == "loopback" else "", 0.1) for attack in ATTACKS]
    write_table(str(document), {"bubblewrap": results})
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert parse_rows(text)["loopback"][1] == "**got through**"
    assert parse_rows(text)["ptrace"][1] == "held"


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.md").write_text("nothing")
    with pytest.raises(ValueError, match="no marks"):
        write_table(str(tmp_path / "model.md"), {})
