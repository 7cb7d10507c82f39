"""The documentation against the code: a setting that is not described, or described and gone, fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_setting_is_described_and_every_described_setting_exists() -> None:
    source = (ROOT / "orchestrator/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))
    prefixed = re.findall(r'env\.\w+\(\s*f"\{(?:prefix|name\.upper\(\))\}_([A-Z_]+)"', source)
    read |= {f"<P>_{name}" for name in prefixed} - {"<P>_API_KEY"}
    table = "".join(
        line
        for line in (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8").splitlines(True)
        if line.startswith("| `")
    )
    rows = [
        name
        for cell in re.findall(r"^\| ([^|]*)\|", table, re.M)
        for name in re.findall(r"`([A-Z0-9_<>]+)`", cell)
    ]
    assert [name for name in rows if rows.count(name) > 1] == []
    described = set(rows)
    described -= {f"{name}_API_KEY" for name in ("ANTHROPIC", "OPENAI", "GOOGLE")}
    assert read == described


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_holds_what_a_merge_left_behind(document: Path) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", document.read_text(encoding="utf-8"), re.M) == []


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_documentation_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert broken == []


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named <= targets, named - targets


@pytest.mark.slow
def test_site_builds_without_a_warning_and_without_another_host(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "docs",
        str(tmp_path),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    for page in [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css"), *tmp_path.rglob("*.js")]:
        text = page.read_text(encoding="utf-8")
        # A link may lead to another host. What a browser loads by itself may not.
        loaded = re.findall(r"""(?:src=|@import |url\()["']?((?:https?:)?//[^"')]+)""", text)
        loaded += re.findall(r"""<link[^>]*href=["']((?:https?:)?//[^"']+)""", text)
        assert loaded == [], page


def read_glossary() -> list[tuple[str, str, str]]:
    """Word, meaning and example of each row."""
    text = (ROOT / "docs/reference/glossary.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert rows[0] == ["word", "means", "example"]
    return [(row[0], row[1], row[2]) for row in rows[1:]]


def test_every_word_of_the_glossary_has_one_row_and_an_example() -> None:
    words = [word for word, _, _ in read_glossary()]
    assert words == sorted(set(words), key=str.lower)
    assert [word for word, meaning, example in read_glossary() if not meaning or not example] == []


def test_every_word_of_the_glossary_is_used_outside_it() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.splitlines() if name.endswith((".py", ".md", ".html"))]
    names.remove("docs/reference/glossary.md")
    text = " ".join(
        (ROOT / name).read_text(encoding="utf-8") for name in names if (ROOT / name).is_file()
    ).lower()
    flowing = join_words(text)
    assert [word for word, _, _ in read_glossary() if join_words(word.lower()) not in flowing] == []


def join_words(text: str) -> str:
    """``text`` with one space between words, because names in code join them by an underscore."""
    return re.sub(r"[\s_-]+", " ", text)


MOST_FILES_TO_READ = 16


def test_the_files_from_an_address_to_a_settled_call_are_few_and_lead_to_each_other() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+\.py)` \| (?:`(\w+)`)? ?\| (.*?) ?\|$", page, re.M)
    assert 0 < len(rows) <= MOST_FILES_TO_READ
    above = ""
    for path, function, named_by in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        if function:
            assert re.search(rf"^ *(?:async )?(?:def|class) {function}\b", text, re.M), (path, function)
        names = re.findall(r"`([\w./]+)`", named_by)
        if names:
            # A name on the wire: the file above has it as a string, or the registry of the package has.
            registry = ROOT / path.split("/")[0] / "registry.py"
            strings = above + (registry.read_text(encoding="utf-8") if registry.exists() else "")
            assert f'"{names[0]}"' in strings, (path, names[0])
        elif above:
            # By import: a file above uses the function, and its module can be reached from there.
            assert re.search(rf"\b{function}\b", above), (path, function)
            package, module = path.removesuffix(".py").replace("/", ".").rsplit(".", 1)
            assert re.search(rf"\b{package.split('.')[-1]}\b", above), path
            assert re.search(rf"\b{module}\b", above), path
        above += text
    assert "limiter.settle" in above
