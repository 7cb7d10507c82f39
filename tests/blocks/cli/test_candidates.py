"""`blocks flow fetch --candidate`: what failed comes with its findings, in the forms that CI reads."""

import json
import threading
import time
from pathlib import Path

import junitparser
import pytest
from django.db import connection
from jsonschema import Draft4Validator

from blocks.cli.candidate import FetchedCandidate
from blocks.cli.findings_junit import build_junit
from blocks.cli.findings_sarif import build_sarif
from orchestrator.flows.models import Flow
from tests import scenes
from tests.web import story

# The schema of SARIF 2.1.0 by OASIS (sarif-spec, errata 01), without its descriptions.
SARIF = json.loads(Path(__file__).with_name("sarif_schema.json").read_text(encoding="utf-8"))
ODD = "a\x1b[2Jb \ud800 ]]> <&\"' ☃ \x00"
FILES = {"clip.py": "x = 1\ny = 2\n", "test_clip.py": "", "contract.json": "{}"}


def make_gate(verdict: str = "failed", *findings: dict, **fields) -> dict:
    """A gate as the service tells it."""
    return {
        "gate": "security",
        "round": 1,
        "verdict": verdict,
        "score": None,
        "threshold": None,
        "summary": f"security {verdict}",
        "cure": "Compute only.",
        "findings": list(findings),
        "seconds": 1.25,
    } | fields


def test_what_failed_is_fetched_with_its_findings(blocks, work):
    flow = story.tell_failed_flow()
    found = blocks("flow", "fetch", flow.id, "--candidate")
    assert found.returncode == 0, found.stderr
    folder = work / f".blocks/candidates/{flow.id}/round-1"
    assert {path.name for path in folder.iterdir()} == {
        "candidate.json",
        "clip.py",
        "contract.json",
        "findings.junit.xml",
        "findings.sarif",
        "test_clip.py",
    }
    assert (folder / "clip.py").read_text() == story.MODULE
    assert f"Files     {folder}" in found.stdout
    assert "Nothing vouches for a candidate" in found.stdout
    sarif = json.loads((folder / "findings.sarif").read_text())
    Draft4Validator(SARIF).validate(sarif)
    places = [result["locations"][0]["physicalLocation"] for result in sarif["runs"][0]["results"]]
    home = f".blocks/candidates/{flow.id}/round-1"
    assert {place["artifactLocation"]["uri"] for place in places} == {
        f"{home}/clip.py",
        f"{home}/contract.json",
    }
    # All that are named are there: code hosts refuse others.
    assert all((work / place["artifactLocation"]["uri"]).is_file() for place in places)
    suites = junitparser.JUnitXml.fromfile(str(folder / "findings.junit.xml"))
    (suite,) = suites
    assert (suite.tests, suite.failures, suite.errors) == (4, 3, 0)
    texts = {case.name: [result.text for result in case.result] for case in suite}
    assert texts["coverage gate"] == []
    assert "clip.py:5  mutant-comparison  survived" in texts["mutation gate"][0]
    assert "How to fix it: Add tests." in texts["mutation gate"][0]


def test_git_does_not_offer_candidates_and_flows_are_not_sent_them(blocks, work):
    flow = story.tell_failed_flow()
    assert blocks("flow", "fetch", flow.id, "--candidate").returncode == 0
    assert (work / ".blocks/candidates/.gitignore").read_text() == "*\n"
    # It never gets where blocks with evidence are.
    assert not (work / ".blocks/catalog").exists()


def test_a_round_is_chosen(blocks, work):
    flow = story.tell_flow()
    first = json.loads(blocks("flow", "fetch", flow.id, "--candidate", "--round", "1", "--json").stdout)
    assert (first["round"], first["rounds"]) == (1, [1, 2])
    assert first["gates"]["mutation"] == "failed"
    assert (Path(first["path"]) / "clip.py").read_text() == story.MODULE
    newest = json.loads(blocks("flow", "fetch", flow.id, "--candidate", "--json").stdout)
    assert newest["round"] == 2
    assert set(newest["gates"].values()) == {"passed"}
    assert (Path(newest["path"]) / "clip.py").read_text() == story.FIXED
    missing = blocks("flow", "fetch", flow.id, "--candidate", "--round", "3")
    assert missing.returncode == 2
    assert "Its rounds are: 1, 2." in missing.stderr
    assert "Add --candidate." in blocks("flow", "fetch", flow.id, "--round", "1").stderr


def test_a_flow_that_implemented_nothing_says_so(blocks):
    found = blocks("flow", "fetch", scenes.make_flow().id, "--candidate")
    assert found.returncode == 2
    assert "blocks flow show task_" in found.stderr


def test_nothing_is_written_through_a_link(blocks, work, tmp_path):
    flow = story.tell_failed_flow()
    (work / ".blocks").mkdir()
    (work / ".blocks/candidates").symlink_to(tmp_path)
    found = blocks("flow", "fetch", flow.id, "--candidate")
    assert found.returncode == 2
    assert "is a link" in found.stderr
    assert not (tmp_path / flow.id).exists()


def fail_with_files() -> Flow:
    """A flow whose only candidate was refused, with a plan."""
    flow = scenes.make_flow()
    scenes.finish_stage(scenes.start_kind(flow, "context"))
    planned = {"block_family": "compliance", "block_name": "capital_ratio"}
    scenes.finish_stage(scenes.start_kind(flow, "plan"), output=planned)
    artifacts = (
        story.make_artifact("contract", "contract.json", json.dumps(scenes.CONTRACT)),
        story.make_artifact("module", "capital_ratio.py", "def capital_ratio(capital):\n    return 1\n"),
        story.make_artifact("tests", "test_capital_ratio.py", "def test_it():\n    assert True\n"),
    )
    scenes.finish_stage(scenes.start_kind(flow, "implement"), artifacts=artifacts)
    report = scenes.make_report("mutation", "failed", cure="Add tests.")
    error = ("gate:mutation-failed", "The mutation gate failed.", "Add tests.")
    scenes.fail_stage(scenes.start_kind(flow, "verify"), error, gates=(report,))
    flow.refresh_from_db()
    return flow


def test_an_edited_candidate_is_judged_and_its_block_fetched(blocks, work):
    flow = fail_with_files()
    assert blocks("flow", "fetch", flow.id, "--candidate").returncode == 0
    folder = work / f".blocks/candidates/{flow.id}/round-1"
    unchanged = blocks("verify", "run", str(folder))
    assert unchanged.returncode == 2
    assert "Nothing differs" in unchanged.stderr
    (folder / "capital_ratio.py").write_text("def capital_ratio(capital):\n    return capital\n")

    def play() -> None:
        """The part of the workers, once the flow continues."""
        while Flow.objects.get(pk=flow.pk).status == "failed":
            connection.close()
            time.sleep(0.05)
        scenes.run_through(Flow.objects.get(pk=flow.pk))
        connection.close()

    workers = threading.Thread(target=play)
    workers.start()
    found = blocks("verify", "run", str(folder))
    workers.join()
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == f"FLOW PASSED {flow.id}"
    assert (work / ".blocks/catalog/compliance/capital_ratio/capital_ratio.py").is_file()
    second = json.loads(blocks("flow", "fetch", flow.id, "--candidate", "--json").stdout)
    assert second["round"] == 2
    assert "return capital" in (Path(second["path"]) / "capital_ratio.py").read_text()
    over = blocks("verify", "run", str(folder))
    assert over.returncode == 2


def test_a_folder_that_is_no_candidate_is_not_sent(blocks, work):
    found = blocks("verify", "run", str(work))
    assert found.returncode == 2
    assert "blocks flow fetch TASK --candidate" in found.stderr


FINDINGS = [
    {},
    {"rule": "B307", "message": "eval", "severity": "error", "path": "clip.py", "line": 2, "end_line": 1},
    {"rule": ODD, "message": ODD, "severity": ODD, "path": ODD, "line": -3},
    {"rule": None, "message": None, "path": None, "line": None, "severity": None},
    {"rule": "x", "message": "beyond the end", "path": "clip.py", "line": 900},
]


@pytest.mark.parametrize("verdict", ["passed", "failed", "errored"])
@pytest.mark.parametrize("finding", FINDINGS, ids=str)
def test_any_finding_becomes_sarif_and_junit_that_others_read(verdict, finding, tmp_path):
    gates = [make_gate(verdict, finding, summary=ODD), make_gate(verdict, gate="contract", cure="")]
    document = json.loads(json.dumps(build_sarif(gates, "a/", FILES)))
    Draft4Validator(SARIF).validate(document)
    for result in document["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.removeprefix("a/") in FILES
    (tmp_path / "x.xml").write_text(build_junit(gates, ODD), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml"))
    counts = {"passed": (0, 0), "failed": (2, 0), "errored": (0, 2)}
    assert (suite.failures, suite.errors) == counts[verdict]
    assert suite.time == 2.5


def test_a_finding_keeps_its_fingerprint_when_it_moves():
    def read_fingerprint(line: int, message: str = "eval") -> str:
        gate = make_gate("failed", {"rule": "B307", "message": message, "path": "clip.py", "line": line})
        (result,) = build_sarif([gate], "", FILES)["runs"][0]["results"]
        return result["partialFingerprints"]["blocksFinding/v1"]

    assert read_fingerprint(1) == read_fingerprint(2) != read_fingerprint(1, "exec")


def test_a_gate_that_failed_without_a_finding_is_one_result():
    (result,) = build_sarif([make_gate()], "", FILES)["runs"][0]["results"]
    assert result["ruleId"] == "security/failed"
    assert result["message"]["text"] == "security failed\n\nHow to fix it: Compute only."
    assert build_sarif([make_gate("passed")], "", FILES)["runs"][0]["results"] == []


def test_the_folder_of_a_candidate_names_its_flow_and_round():
    found = FetchedCandidate({"id": "task_x", "block": None}, 2, (1, 2), FILES, ())
    assert found.prefix == ".blocks/candidates/task_x/round-2/"
