"""How Sphinx builds the documentation site (``make docs``): Markdown pages, no asset from another host."""

import re
from pathlib import Path

from sphinx.application import Sphinx

FOLDERS = ("tutorial", "how-to", "reference", "explanation", "decisions", "operate", "runbooks")

project = "Multi-LLM Orchestrator"
author = project
copyright = f"the authors of {project}"
extensions = ["myst_parser"]
root_doc = "index"
nitpicky = True

myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False


def add_navigation(_: Sphinx, docname: str, content: list[str]) -> None:
    """Turn the links of an index page into a hidden table of contents.

    The pages stay plain Markdown that a code host can show, and the navigation has the order of the links.
    Sphinx reports a page that its index does not name: it is in no table of contents.
    """
    if docname == root_doc:
        entries = [f"{folder}/index" for folder in FOLDERS]
    elif docname.endswith("/index"):
        entries = list(dict.fromkeys(re.findall(r"\]\(([\w-]+)\.md\)", content[0])))
    else:
        return
    lines = ["", "```{toctree}", ":hidden:", "", *entries, "```", ""]
    if entries:
        content[0] += "\n".join(lines)


def setup(app: Sphinx) -> None:
    """Called by Sphinx when it reads this file."""
    missing = [folder for folder in FOLDERS if not (Path(app.srcdir) / folder / "index.md").exists()]
    if missing:
        raise FileNotFoundError(f"docs/{missing[0]}/index.md")
    app.connect("source-read", add_navigation)
