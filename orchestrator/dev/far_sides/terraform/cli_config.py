"""The configuration that has Terraform use the stand-ins, under the source addresses of the real providers.

So the module is the one that operators apply, and the program is the real one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from orchestrator.dev.tool_environments import find_tool

PROVIDERS: Final = Path(__file__).parent
_SOURCES: Final = {"pagerduty": "PagerDuty/pagerduty", "grafana": "grafana/grafana"}


def write_cli_config(folder: Path, names: Iterable[str] = tuple(_SOURCES)) -> Path | None:
    """The path of the file, below ``folder``; None where the stand-ins cannot be installed here.

    Providers that are not in ``names`` stay the real ones.
    """
    python = find_tool("terraform", "python")
    if python is None:
        return None
    programs = folder / "terraform-providers"
    programs.mkdir(parents=True, exist_ok=True)
    chosen = list(names)
    for name in chosen:
        program = programs / f"terraform-provider-{name}"
        # By a shell: the first line of a script has room for a short path only.
        program.write_text(
            f'#!/bin/sh\nexec "{python}" "{PROVIDERS / name}_provider.py" "$@"\n', encoding="utf-8"
        )
        program.chmod(0o700)
    lines = "".join(f'    "{source}" = "{programs}"\n' for source in map(_SOURCES.__getitem__, chosen))
    config = folder / "terraform.rc"
    text = f"provider_installation {{\n  dev_overrides {{\n{lines}  }}\n  direct {{}}\n}}\n"
    config.write_text(text, encoding="utf-8")
    return config
