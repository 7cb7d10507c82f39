"""What comes first in a bundle, and what each language defines."""

import math

import pytest

from orchestrator.flows.context.ranking import rank_files, score_files
from orchestrator.flows.context.symbols import find_definitions, outline_file
from orchestrator.flows.context.words import count_words, split_identifier


def test_words_of_code_and_prose_are_the_same() -> None:
    assert split_identifier("parseISODates") == split_identifier("parse_iso_date") == ("parse", "iso", "date")
    assert split_identifier("HTTPServer2") == ("http", "server")
    assert count_words("The policies' retry_delay") == count_words("policy retryDelay")
    assert split_identifier("class") == split_identifier("_") == ()


def test_files_come_in_the_order_of_the_scores_of_bm25() -> None:
    texts = {"a.py": "ratio filler filler", "b.py": "ratio ratio filler", "c.py": "filler filler filler"}
    scores = score_files(texts, "# A ratio")
    # Worked out by hand after Robertson and Zaragoza: each file has four words, its path included, and two of
    # the three files have the word.
    rarity = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    assert scores == {
        "a.py": pytest.approx(rarity * 1 * 2.2 / (1 + 1.2)),
        "b.py": pytest.approx(rarity * 2 * 2.2 / (2 + 1.2)),
        "c.py": 0,
    }
    assert rank_files(texts, "# A ratio") == ["b.py", "a.py", "c.py"]


def test_long_file_has_to_say_more_than_a_short_one() -> None:
    texts = {"a.py": "ratio " + "filler " * 200, "b.py": "ratio"}
    assert rank_files(texts, "ratio") == ["b.py", "a.py"]


def test_word_that_few_files_have_counts_more() -> None:
    texts = {f"m{number}.py": "common" for number in range(8)} | {"z.py": "seldom"}
    assert rank_files(texts, "common seldom")[0] == "z.py"


def test_word_in_the_path_counts() -> None:
    texts = {"a/other.py": "value = 1", "c/ratio.py": "value = 1"}
    assert rank_files(texts, "# A ratio") == ["c/ratio.py", "a/other.py"]


def test_definition_that_the_request_names_as_code_comes_first() -> None:
    texts = {f"m{number}.py": "call something else\n" * 30 for number in range(8)}
    texts["z.py"] = "def weigh_exposure(value):\n    return value\n"
    assert rank_files(texts, "Use `weigh_exposure()` on each call of a risk")[0] == "z.py"


def test_code_comes_before_logs_that_mention_everything() -> None:
    texts = {
        "CHANGES.md": "cookie parser " * 50,
        "cookies.py": "def parser(cookie): ...\n",
        "data.json": '"cookie parser"' * 50,
    }
    assert rank_files(texts, "cookie parser")[0] == "cookies.py"


def test_no_request_and_no_files() -> None:
    assert rank_files({}, "anything") == []
    assert rank_files({"b.py": "", "a.py": ""}, "") == ["a.py", "b.py"]


LANGUAGES = {
    "a.py": (
        (
            "class A(Base):\n    LIMIT = 3\n\n"
            "    @property\n    def go(\n        self,\n    ) -> int:\n        return 1\n"
        ),
        ["A", "LIMIT", "go"],
    ),
    "a.js": (
        "export class A { go(x) {\n return 1 } }\nconst run = (x) => x\nfunction top() {}\n",
        ["A", "go", "run", "top"],
    ),
    "a.ts": (
        "interface A { x: number }\ntype B = A\nenum C { D }\nexport function go(a: A): B {\n return a }\n",
        ["A", "B", "C", "go"],
    ),
    "a.tsx": ("export const Page = () => <div>{1}</div>\n", ["Page"]),
    "a.go": (
        "package a\n\ntype A struct { X int }\n\nfunc (a A) Go() int {\n\treturn 1\n}\n\nfunc Top() {}\n",
        ["A", "Go", "Top"],
    ),
    "A.java": (
        "class A {\n  A() {}\n  int go(int x) {\n    return x;\n  }\n}\ninterface B {}\n",
        ["A", "A", "go", "B"],
    ),
}


@pytest.mark.parametrize(
    ("path", "text", "names"), [(path, *rest) for path, rest in LANGUAGES.items()], ids=LANGUAGES.keys()
)
def test_definitions_of_each_language(path: str, text: str, names: list[str]) -> None:
    assert [one.name for one in find_definitions(path, text)] == names
    shown = outline_file(path, text)
    assert all(name in shown for name in names)
    assert "return" not in shown


def test_outline_keeps_signatures_whole_and_in_place() -> None:
    text = LANGUAGES["a.py"][0]
    assert (
        outline_file("a.py", text)
        == "class A(Base):\n    LIMIT = 3\n    @property\n    def go(\n        self,\n    ) -> int:"
    )


@pytest.mark.parametrize("suffix", [".ts", ".js", ".go", ".java", ".rb"])
def test_other_languages_are_ranked_as_python_is(suffix: str) -> None:
    texts = {
        f"aaa{suffix}": "x\n" * 9,
        f"zed{suffix}": "weighExposure(risk)\n",
        "notes.md": "weigh exposure " * 9,
    }
    assert rank_files(texts, "Cap what `weighExposure()` gives") == [
        f"zed{suffix}",
        f"aaa{suffix}",
        "notes.md",
    ]


@pytest.mark.parametrize(
    "text",
    ["def (:", "x = '\\ud800'\nclass A: ...", "(" * 10_000, "1+" * 100_000 + "1", "\x00", "if x:\n" * 200],
)
@pytest.mark.parametrize("path", ["a.py", "a.ts", "a.go", "a.java", "a.jsx"])
def test_what_cannot_be_parsed_does_no_harm(path: str, text: str) -> None:
    assert rank_files({path: text}, "x") == [path]
    outline_file(path, text)
