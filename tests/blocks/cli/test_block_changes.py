"""`blocks flow fetch|diff|apply`: a block of a flow that has passed, beside the one in place."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.flows.api.follower_seats import seats
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import ROOT
from tests.web import story

CHANGED = {
    "capital_ratio.py": b"def capital_ratio(capital):\n    return 2 * capital\n",
    "contract.json": json.dumps(scenes.CONTRACT).encode(),
    "icon.png": b"\x89PNG\xff",
}


@pytest.fixture
def passed(repo):
    return scenes.run_through(scenes.make_flow())


@pytest.fixture
def successor(passed):
    """The flow of another version of the same block."""
    return scenes.run_through(scenes.make_flow(), files=CHANGED)


def test_a_block_is_fetched_later(blocks, work, passed):
    found = blocks("flow", "fetch", passed.id)
    assert found.returncode == 0, found.stderr
    assert (work / ".blocks/catalog/compliance/capital_ratio/capital_ratio.py").is_file()
    assert "Proof   holds: verified" in found.stdout
    place = json.loads(blocks("flow", "fetch", passed.id, "--json").stdout)
    assert place["block_path"].endswith(".blocks/catalog/compliance/capital_ratio")
    assert blocks("flow", "fetch", passed.id, "--quiet").stdout == ""


def test_what_would_change_is_shown_and_nothing_is_written(blocks, work, passed, successor):
    assert blocks("flow", "fetch", passed.id).returncode == 0
    found = blocks("flow", "diff", successor.id)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    at = lines.index("changed compliance/capital_ratio/capital_ratio.py")
    assert lines[at + 1 : at + 5] == [
        "@@ -1,2 +1,2 @@",
        " def capital_ratio(capital):",
        "-    return capital",
        "+    return 2 * capital",
    ]
    assert "removed compliance/capital_ratio/README.md" in lines
    assert "added compliance/capital_ratio/icon.png" in lines
    assert lines[-1] == "4 files would change: +1 -4"
    place = work / ".blocks/catalog/compliance/capital_ratio"
    assert "2 *" not in (place / "capital_ratio.py").read_text()
    assert blocks("flow", "diff", passed.id).stdout == "It is in place already.\n"


def test_a_block_is_put_in_place_where_somebody_agrees(blocks, work, passed, successor):
    assert blocks("flow", "apply", passed.id, "--yes").returncode == 0
    place = work / ".blocks/catalog/compliance/capital_ratio/capital_ratio.py"
    refused = blocks("flow", "apply", successor.id)
    assert refused.returncode == 2
    assert "Add --yes where you agree." in refused.stderr
    assert "2 *" not in place.read_text()
    done = json.loads(blocks("flow", "apply", successor.id, "--yes", "--json").stdout)
    assert {one["path"].rpartition("/")[2]: one["kind"] for one in done["changes"]} == {
        "README.md": "removed",
        "capital_ratio.py": "changed",
        "icon.png": "added",
        "test_capital_ratio.py": "removed",
    }
    assert "2 *" in place.read_text()
    # What is in place already needs nobody's agreement.
    assert blocks("flow", "apply", successor.id).returncode == 0


def test_a_flow_without_a_block_says_what_to_type(blocks):
    found = blocks("flow", "fetch", scenes.run_through(scenes.make_flow(), gates_fail=True).id)
    assert found.returncode == 2
    assert "blocks verify show task_" in found.stderr


def test_the_events_of_a_flow_are_a_log_with_its_zone(blocks):
    flow = story.tell_flow()
    found = blocks("flow", "logs", flow.id)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert "flow.created" in lines[0]
    assert "flow.passed" in lines[-1]
    assert all(line[19:24] == " UTC " for line in lines)
    assert any("implement (round 2)" in line for line in lines)
    assert lines[-1].endswith("  $0.0800")
    assert not any(line.endswith("$0") or "0.0800000" in line for line in lines)
    events = json.loads(blocks("flow", "logs", flow.id, "--json").stdout)["events"]
    assert len(events) == len(lines)
    assert blocks("flow", "logs", scenes.make_flow().id, "--timeout", "0.1").returncode == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", ["run --input fr.md", "follow", "watch", "logs"])
def test_an_interrupted_command_leaves_the_flow_running(service, repo, work, number, words):
    (work / "fr.md").write_text("# Ratio\nCompute it.\n")
    flow = scenes.make_flow()
    name, *options = words.split()
    command = [sys.executable, "-m", "blocks.cli.main", "flow", name, *(options or [flow.id])]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    clean |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "BLOCKS_API_URL": service.url}
    clean |= {"BLOCKS_TOKEN": tokens.create_token("cli", repo)[1]}
    with subprocess.Popen(
        command, cwd=work, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if name in {"run", "logs"}:
            # Its first line says that it has begun.
            process.stdout.readline()
        wait_for_follower()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 8, said
    assert "continues without you" in said
    assert "blocks flow follow task_" in said
    assert "Traceback" not in said
    flow.refresh_from_db()
    assert flow.status == "pending"


def wait_for_follower() -> None:
    """Until somebody reads the stream of events."""
    end = time.monotonic() + 30
    while not seats.count():
        assert time.monotonic() < end
        time.sleep(0.05)
