"""What comes first in a bundle, by words, definitions and references, in each language."""

import pytest

from orchestrator.flows.context.relevance import rank_files
from orchestrator.flows.context.symbols import find_definitions, outline_file
from orchestrator.flows.context.words import count_words, split_identifier


def test_words_of_code_and_prose_are_the_same() -> None:
    assert split_identifier("parseISODates") == split_identifier("parse_iso_date") == ("parse", "iso", "date")
    assert split_identifier("HTTPServer2") == ("http", "server")
    assert count_words("The policies' retry_delay") == count_words("policy retryDelay")
    assert split_identifier("class") == split_identifier("_") == ()


def test_word_in_path_definition_and_text_count_in_this_order() -> None:
    texts = {
        "a/other.py": "ratio = 1\n" + "filler = 2\n" * 5,
        "b/defines.py": "def ratio():\n    pass\n" + "filler = 2\n" * 4,
        "c/ratio.py": "ratio = 1\n" + "filler = 2\n" * 5,
        "d/nothing.py": "filler = 2\n" * 6,
    }
    assert rank_files(texts, "# A ratio") == ["c/ratio.py", "b/defines.py", "a/other.py", "d/nothing.py"]


def test_definition_that_the_request_names_as_code_wins() -> None:
    texts = {f"m{number}.py": "call weigh exposure risk\n" * 30 for number in range(8)}
    texts["z.py"] = "def weigh_exposure(value):\n    return value\n"
    assert rank_files(texts, "Use `weigh_exposure()` on each call of a risk")[0] == "z.py"


def test_what_a_relevant_file_refers_to_comes_before_the_rest() -> None:
    texts = {
        "aaa.py": "def unrelated_thing(value):\n    return value\n",
        "invoice.py": "from zzz import round_to_cents\n\ndef invoice_total(invoice):\n    return round_to_cents(invoice)\n",
        "zzz.py": "def round_to_cents(value):\n    return value\n",
    }
    assert rank_files(texts, "invoice") == ["invoice.py", "zzz.py", "aaa.py"]


def test_tests_come_along_with_their_subject() -> None:
    texts = {
        "aaa.py": "x = 1\n",
        "ledger.py": "def post(entry): ...\n",
        "tests/test_ledger.py": "def test_it(): ...\n",
    }
    assert rank_files(texts, "post an entry")[:2] == ["ledger.py", "tests/test_ledger.py"]


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
        "class A(Base):\n    LIMIT = 3\n\n    @property\n    def go(\n        self,\n    ) -> int:\n        return 1\n",
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


POLYGLOT = {
    ".ts": (
        "export function weighExposure(risk: Risk): number {\n return 1 }\n",
        "const total = weighExposure(risk)\n",
    ),
    ".js": ("export function weighExposure(risk) {\n return 1 }\n", "const total = weighExposure(risk)\n"),
    ".go": (
        "package risk\n\nfunc weighExposure(risk Risk) int {\n\treturn 1\n}\n",
        "package risk\n\nvar total = weighExposure(risk)\n",
    ),
    ".java": (
        "class Zed {\n  int weighExposure(int risk) {\n    return 1;\n  }\n}\n",
        "class Use { int total = weighExposure(1); }\n",
    ),
}


@pytest.mark.parametrize(
    ("suffix", "definition", "use"),
    [(suffix, *rest) for suffix, rest in POLYGLOT.items()],
    ids=POLYGLOT.keys(),
)
def test_other_languages_are_ranked_as_python_is(suffix: str, definition: str, use: str) -> None:
    """The definition that the request names first, then what refers to it, then what has nothing to do with it."""
    texts = {f"aaa{suffix}": "x\n" * 9, f"caller{suffix}": use, f"zed{suffix}": definition}
    texts |= {f"bulk{number}{suffix}": "y\n" * 9 for number in range(4)}
    assert rank_files(texts, "Cap what `weighExposure()` gives")[:2] == [f"zed{suffix}", f"caller{suffix}"]


@pytest.mark.parametrize(
    "text",
    ["def (:", "x = '\\ud800'\nclass A: ...", "(" * 10_000, "1+" * 100_000 + "1", "\x00", "if x:\n" * 200],
)
@pytest.mark.parametrize("path", ["a.py", "a.ts", "a.go", "a.java", "a.jsx"])
def test_what_cannot_be_parsed_does_no_harm(path: str, text: str) -> None:
    assert rank_files({path: text}, "x") == [path]
    outline_file(path, text)
