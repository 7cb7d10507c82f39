"""What the launch runbook types at the cluster, the database and the store, and the environment that it sets.

The runbook itself is not part of the project: ``launch_runbook.json`` has its commands, and a test compares
the two where the runbook is at hand.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.ops.launch_runbook import find_runbook

FILE = Path(__file__).with_suffix(".json")
_PROGRAMS = ("kubectl", "psql", "aws")


def read_facts() -> dict[str, Any]:
    """``commands``, each on one line, and ``environment``: a value, or name and key of a secret."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def parse_runbook(text: str) -> dict[str, Any]:
    """The same, read from the text of the runbook."""
    commands = []
    for block in re.findall(r"```bash\n(.*?)```", text, re.S):
        # A command continues after a backslash, and as long as its quotation is open.
        joined = block.replace("\\\n", " ")
        joined = re.sub(r'"[^"\n]*\n[^"]*"', lambda match: " ".join(match[0].split()), joined)
        for line in joined.splitlines():
            words = " ".join(re.sub(r"\s#.*", "", line).split())
            if words.startswith(_PROGRAMS):
                commands.append(words)
    (block,) = [one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if one.startswith("env:")]
    environment = {}
    for one in yaml.safe_load(block)["env"]:
        reference = one.get("valueFrom", {}).get("secretKeyRef")
        environment[one["name"]] = one["value"] if reference is None else list(reference.values())
    return {"commands": commands, "environment": environment}


if __name__ == "__main__":
    place = find_runbook()
    assert place is not None, "name the launch runbook in LAUNCH_RUNBOOK"
    facts = parse_runbook(place.read_text(encoding="utf-8"))
    FILE.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
