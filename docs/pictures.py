"""``make pictures``: the pictures of the documentation, made from the running product.

A sample runs through the whole stack, on servers of its own and with the simulator for the models.
What the command line prints becomes SVG, with the text as text; a page is photographed in Chromium. Nothing
in a picture loads anything from elsewhere.

The pictures of the documentation are a hundred columns wide. The same commands and more are drawn at 60, 80
and 200 columns, too, in ``build/pictures``: for people to look at after a change of the command line.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from orchestrator.dev import demo, embedded, sample_repo, stack

FOLDER = Path(__file__).resolve().parent / "_static/pictures"
TO_LOOK_AT = stack.ROOT / "build/pictures"
SAMPLE = "devops-tooling"
_COLUMNS = 100
_OTHER_COLUMNS = (60, 80, 200)
# What is drawn at each width; the flow that has just run is put in.
_LOOKED_AT = (
    "flow list",
    "flow show FLOW",
    "flow logs FLOW",
    "status flows",
    "verify show FLOW",
    "quota show --all",
    "repo list",
    "repo show devops-tooling",
    "token list",
    "config show",
    "metrics export",
    "request check feature_request.md",
    "doctor",
    "--help",
    "flow run --help",
)
_PAPER = TerminalTheme(
    (255, 255, 255),
    (36, 41, 47),
    [
        (36, 41, 47), (207, 34, 46), (17, 99, 41), (149, 108, 0),
        (9, 105, 218), (130, 80, 223), (27, 124, 131), (110, 119, 129),
    ],
)  # fmt: skip
# rich's own frame loads a font from another host, and its clip of the terminal cuts what reaches below the
# last line. Each line is clipped by itself, so the clip of the whole is left out.
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> None:
    """Make every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    TO_LOOK_AT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch)
        environment = {"PORT": str(embedded.find_free_port()), "SIMULATOR_LATENCY_SECONDS": "0.2"}
        with stack.run_processes(
            demo.PROCESSES, state=None, logs=state / "logs", simulator=True, environment=environment
        ) as running:
            folder = sample_repo.check_out_sample(SAMPLE, state / SAMPLE)
            url = f"http://{running.values['HOST']}:{running.values['PORT']}"
            values = {"BLOCKS_API_URL": url, "BLOCKS_TOKEN": running.access["token"]}
            run_command(folder, values, ("init",))
            printed = run_command(folder, values, ("flow", "run", "--input", "feature_request.md"))
            # The last one of many; around it are the codes of its colour.
            flow_id = re.findall(r"task_[0-9a-z]+", printed)[-1]
            for name, words in (
                ("flow-show", ("flow", "show", flow_id)),
                ("verify-show", ("verify", "show", flow_id)),
                ("quota-show", ("quota", "show", "--all")),
            ):
                draw_terminal(FOLDER / f"{name}.svg", words, run_command(folder, values, words))
            photograph_flow(url, running.access, flow_id)
            for line in _LOOKED_AT:
                typed = line.replace("FLOW", flow_id).split()
                name = line.replace(" FLOW", "").replace(" ", "-").replace(".", "-").strip("-")
                for columns in _OTHER_COLUMNS:
                    # 1 is a finding: of a request that lacks something, for one.
                    printed = run_command(folder, values, typed, columns=columns, most=1)
                    draw_terminal(TO_LOOK_AT / f"{name}-{columns}.svg", typed, printed, columns=columns)


def photograph_flow(url: str, access: Mapping[str, str], flow_id: str) -> None:
    """A PNG of the top of a flow's page, as a person sees it who has logged in."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Install Chromium: the picture of the flow page is made in it.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
        page.goto(f"{url}/login/?next=/flows/{flow_id}/")
        page.fill("input[name=username]", access["user"])
        page.fill("input[name=password]", access["password"])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/flows/{flow_id}/")
        # Down to the end of the timeline, so that no line is cut in two.
        box = page.locator("section", has=page.get_by_role("heading", name="Timeline")).bounding_box()
        assert box is not None  # noqa: S101 - the page of a flow that has ended shows it
        page.screenshot(
            path=FOLDER / "flow-page.png",
            animations="disabled",
            full_page=True,
            clip={"x": 0, "y": 0, "width": 1100, "height": box["y"] + box["height"] + 10},
        )
        browser.close()


def run_command(
    folder: Path, values: Mapping[str, str], words: Sequence[str], *, columns: int = _COLUMNS, most: int = 0
) -> str:
    """What `blocks` prints into a terminal of so many columns; raises where it ends with over ``most``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | {"TERM": "xterm-256color", "PYTHONPATH": str(stack.ROOT)} | dict(values)
    process = subprocess.Popen(
        [sys.executable, "-m", "blocks.cli.main", *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    printed = b""
    # A terminal whose other end is closed is an error to read, and the end of the output.
    while part := _read_part(ours):
        printed += part
    os.close(ours)
    if process.wait() > most:
        raise SystemExit(f"blocks {' '.join(words)} ended with {process.returncode}:\n{printed.decode()}")
    return printed.decode()


def _read_part(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""


def draw_terminal(path: Path, words: Sequence[str], printed: str, *, columns: int = _COLUMNS) -> None:
    """An SVG of a command and what it printed."""
    console = Console(record=True, width=columns, file=StringIO(), color_system="truecolor")
    console.print(Text(f"$ blocks {' '.join(words)}", style="bold"))
    console.print(Text.from_ansi(printed.replace("\r\n", "\n").rstrip()))
    drawn = console.export_svg(title="blocks", theme=_PAPER, code_format=_SVG, unique_id=path.stem)
    lines = (line.rstrip() for line in drawn.splitlines())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
