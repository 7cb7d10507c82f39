"""Bundles are built in a process that can be killed: one file, however slow, costs only itself."""

from pathlib import Path

import pytest

from orchestrator.flows.context import (
    BundleTooLarge,
    FilesNotJudged,
    build_bundle,
    collect_bundle,
    collector,
)

FILES = {
    "ledger/ratio.py": b"def capital_ratio(exposures):\n    password = 'Xy7%tresor'\n",
    "web/app.ts": b"export function answer(): number { return 42; }\n",
    "README.md": "# Dienst für Beträge\n".encode(),
}
REQUEST = "# Capital ratio of exposures"


@pytest.fixture
def slow_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "PROCESS", "tests.flows.context.slow_process")


@pytest.mark.parametrize("pruning", [True, False])
@pytest.mark.parametrize("max_bytes", [120, 20_000])
def test_the_process_builds_the_same_bundle(pruning: bool, max_bytes: int) -> None:
    built = build_bundle(FILES, REQUEST, max_bytes=max_bytes, pruning=pruning)
    assert built.redactions == 1 or max_bytes == 120
    assert collect_bundle(FILES, REQUEST, max_bytes=max_bytes, pruning=pruning) == built


def test_it_says_what_does_not_fit() -> None:
    with pytest.raises(BundleTooLarge, match=r"^Context bundle exceeds 500KB$"):
        collect_bundle({"a.py": b"x" * 600_000}, "", max_bytes=1, pruning=False)


def test_it_has_nothing_that_could_be_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "marked-key")
    started: list[dict[str, str]] = []
    real = collector.subprocess.Popen

    def start(argv: list[str], **how: object) -> object:
        process = real(argv, **how)
        started.append(dict(how["env"]))  # type: ignore[call-overload]
        return process

    monkeypatch.setattr(collector.subprocess, "Popen", start)
    collect_bundle(FILES, REQUEST, max_bytes=1000, pruning=True)
    assert started == [{"LANG": "C.UTF-8"}]


@pytest.mark.usefixtures("slow_rules")
@pytest.mark.parametrize("fault", ["slow", "crash", "greedy", "exit"])
def test_a_file_that_cannot_be_judged_is_left_out_and_named(fault: str) -> None:
    files = FILES | {"ledger/a.py": f"# {fault}: capital ratio of exposures\n".encode()}
    bundle = collect_bundle(files, REQUEST, max_bytes=20_000, pruning=True)
    assert bundle.unjudged == ("ledger/a.py",)
    assert set(bundle.included) == set(FILES)
    assert bundle.omitted == 1
    assert fault not in bundle.text


@pytest.mark.usefixtures("slow_rules")
def test_a_process_that_stands_still_is_killed_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "WHOLE_SECONDS", 3.0)
    bundle = collect_bundle(FILES | {"a.py": b"asleep"}, REQUEST, max_bytes=20_000, pruning=True)
    assert bundle.unjudged == ("a.py",)


@pytest.mark.usefixtures("slow_rules")
def test_many_such_files_end_the_collecting_in_words_that_name_them() -> None:
    files = {f"f{number}.py": b"crash" for number in range(collector.MOST_UNJUDGED + 5)}
    with pytest.raises(FilesNotJudged) as refused:
        collect_bundle(files, REQUEST, max_bytes=20_000, pruning=True)
    assert all(f"f{number}.py" in str(refused.value) for number in range(collector.MOST_UNJUDGED + 1))
    assert refused.value.code == "context:files-not-judged"
