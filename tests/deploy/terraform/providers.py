"""Which providers Terraform works with: official ones where the machine has them, else stand-ins."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.dev.tool_environments import ROOT, find_tool

SCHEMAS = Path(__file__).parent / "schemas"
# Where Terraform itself looks for a mirror, and where images of machines keep one.
_MIRRORS = (
    "~/.terraform.d/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/*",
)


@dataclass(frozen=True)
class OfficialProvider:
    """A release of the provider's makers; ``address`` is such as registry.terraform.io/hashicorp/aws."""

    address: str
    version: str
    folder: Path


def list_addresses() -> list[str]:
    """The providers of ``deploy/terraform``."""
    texts = [place.read_text(encoding="utf-8") for place in sorted(SCHEMAS.glob("*.json"))]
    return [json.loads(text)["address"] for text in texts]


def find_official(address: str) -> OfficialProvider | None:
    """The newest release of a provider on this machine; None where there is none."""
    found = []
    for mirror in _MIRRORS:
        base = Path(mirror).expanduser()
        pattern = f"{base.relative_to(base.anchor)}/{address}/*/*/terraform-provider-*"
        found += [one.parent for one in Path(base.anchor).glob(pattern) if os.access(one, os.X_OK)]
    if not found:
        return None
    newest = max(found, key=lambda folder: [int(part) for part in folder.parent.name.split(".")])
    return OfficialProvider(address, newest.parent.name, newest)


@contextmanager
def attach_stand_ins(folder: Path) -> Iterator[dict[str, Any] | None]:
    """How Terraform attaches to the stand-in of each provider; what they make is in ``folder``.

    None where their framework cannot be installed here.
    """
    python = find_tool("terraform", "python")
    if python is None:
        yield None
        return
    words = [str(python), "-m", "tests.deploy.terraform.stand_in", str(folder)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        try:
            yield json.loads(child.stdout.readline())
        finally:
            # The end of its input is the end of the stand-ins.
            child.stdin.close()


def choose_providers(
    attached: Mapping[str, Any], official: Mapping[str, OfficialProvider], config: Path
) -> dict[str, str]:
    """The environment in which Terraform uses ``official`` providers, and stand-ins for the others."""
    stand_ins = {address: one for address, one in attached.items() if address not in official}
    overrides = "".join(f'    "{one.address}" = "{one.folder}"\n' for one in official.values())
    config.write_text(f"provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n")
    return {"TF_REATTACH_PROVIDERS": json.dumps(stand_ins), "TF_CLI_CONFIG_FILE": str(config)}
