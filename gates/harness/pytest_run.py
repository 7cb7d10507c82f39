"""One run of the block's tests in a fresh child: pytest was imported beforehand, the block was not."""

import importlib
import json
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import coverage
import pytest
from _pytest.assertion.rewrite import _rewrite_test
from _pytest.config import Config, _prepareconfig

from gates.harness.channel import start_line, write_whole
from gates.harness.code_importer import CodeImporter, load_codes
from gates.harness.import_path import extend_import_path

_MAX_TEXT = 4000
_MAX_HYPOTHESIS_EXAMPLES = 40
# A run of one file needs none of these, and each costs start-up in every child. The last two collect garbage
# twice per run.
_UNUSED_PLUGINS = (
    "cacheprovider",
    "doctest",
    "faulthandler",
    # Its settings are loaded below; the plugin only adds options and reports.
    "hypothesispytest",
    "junitxml",
    "pastebin",
    "stepwise",
    "terminalprogress",
    "unraisableexception",
    "threadexception",
)
# The file of the tests in a run that looks like another program.
_OTHER_NAME = "program.py"
# A run of a changed block continues after so many crashes less one, in case that a later test asserts.
_MAX_CRASHES = 3


class Recorder:
    """A pytest plugin: records what each test did, picks the tests to run, tells coverage which one runs.

    ``modules`` are the files of the block. ``quick`` ends the run at the first assertion that fails, and
    writes no traceback: in most runs nobody reads it.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = frozenset(modules)
        self.quick = False
        self.report = -1
        self.only: set[str] | None = None
        self.collected: set[str] | None = None
        self.cover: coverage.Coverage | None = None
        self.tests: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.skipped_modules = 0
        self.stopped = False

    def choose_tests(self, only: Iterable[str] | None) -> None:
        """``only`` are the node ids of the tests to run; ``None`` means all."""
        if only is not None:
            self.only = set(only)
            # A node id is a file, perhaps classes, and a function with its parameters in brackets.
            parts = (part for name in self.only for part in name.split("::")[1:])
            self.collected = {part.partition("[")[0] for part in parts}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, name: str) -> list[pytest.Item] | None:
        # To make a test that is not run costs more than to run a small one.
        return None if self.collected is None or name in self.collected else []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.only is not None:
            items[:] = [item for item in items if item.nodeid in self.only]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        # Where a test never ends, this is all that is known of it.
        write_whole(self.report, start_line(item.nodeid))
        if self.cover:
            self.cover.switch_context(item.nodeid)
        result = yield
        if self.cover:
            self.cover.switch_context("")
        return result

    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport | None:
        if not self.quick or call.excinfo is None or call.when == "collect":
            return None
        if call.excinfo.errisinstance(pytest.skip.Exception):
            return None
        asserted = call.when == "call" and self._is_failed_assertion(call.excinfo)
        if asserted:
            item.session.shouldstop = "an assertion failed"
        return pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            "failed",
            call.excinfo.exconly()[:_MAX_TEXT],
            call.when,
            duration=call.duration,
            asserted=asserted,
        )

    def _is_failed_assertion(self, error: pytest.ExceptionInfo[BaseException]) -> bool:
        """Whether a test objected, by ``assert``, ``pytest.raises`` and the like. Blocks may assert too."""
        if not error.errisinstance((AssertionError, pytest.fail.Exception)):
            return False
        innermost = error.tb
        while innermost.tb_next:
            innermost = innermost.tb_next
        return innermost.tb_frame.f_code.co_filename not in self.modules

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(str(report.longrepr)[-_MAX_TEXT:])
        self.skipped_modules += report.skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # One report for each phase: set-up, call, tear-down.
        entry = self.tests.setdefault(report.nodeid, {"outcome": "none", "seconds": 0.0, "text": ""})
        entry["seconds"] += report.duration
        outcome = "xfail" if hasattr(report, "wasxfail") else report.outcome
        decides = report.when == "call" or outcome != "passed"
        # A later phase may make an outcome worse, never better.
        if decides and entry["outcome"] in ("none", "passed"):
            entry["outcome"] = outcome
        if outcome == "failed":
            entry["text"] = str(report.longrepr)[-_MAX_TEXT:]
            entry["asserted"] = getattr(report, "asserted", False)


def _rename_file(code: CodeType, filename: str) -> CodeType:
    inner = (_rename_file(each, filename) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=filename, co_consts=tuple(inner))


class PytestRun:
    """The prepared session of one zygote, and the work of its children: one run of the tests."""

    def __init__(self, folder: str, modules: list[str]) -> None:
        self.folder, self.modules = Path(folder), modules
        name = modules[0]
        self.files = [str(self.folder / f"{module}.py") for module in modules]
        self.report = -1
        self.recorder = Recorder(self.files)
        self.test_file = self.folder / f"test_{name}.py"
        self.config: Config = _prepareconfig(self._options(), plugins=[self.recorder])
        self._prepare_hypothesis()
        # Rewritten for pytest's assertions once, here, where no line of it runs.
        self.test_code = _rewrite_test(self.test_file, self.config)[1]
        # All that pytest does before it meets the block is done once, here; children inherit it.
        self.config._do_configure()
        self.config.pluginmanager.unregister(name="terminalreporter")
        self.session = pytest.Session.from_config(self.config)
        self.config.hook.pytest_sessionstart(session=self.session)
        sys.path[:0] = [folder]

    def _prepare_hypothesis(self) -> None:
        """For tests that use it: the same draws in every run, few of them, and no limit but the run's own."""
        if b"hypothesis" not in self.test_file.read_bytes():
            return
        # Once for all children, and not at all for the tests of most blocks: it takes a third of a second.
        hypothesis = importlib.import_module("hypothesis")
        # What it knows of Unicode is there, put by the builder of this interpreter.
        configuration = importlib.import_module("hypothesis.configuration")
        configuration.set_hypothesis_home_dir(f"{sys.prefix}/lib/hypothesis")
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "gates",
            derandomize=True,
            max_examples=_MAX_HYPOTHESIS_EXAMPLES,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("gates")
        # Its engine and its tables load with the first draw.
        texts = importlib.import_module("hypothesis.strategies").text()
        hypothesis.settings(max_examples=1)(hypothesis.given(texts)(lambda _: None))()

    def _options(self) -> list[str]:
        options = [
            # No configuration of the block or of its repo.
            "-c",
            os.devnull,
            "--rootdir",
            str(self.folder),
            "--noconftest",
            "--capture=no",
            "-q",
            "--tb=short",
            "--strict-markers",
        ]
        for plugin in _UNUSED_PLUGINS:
            options += ["-p", f"no:{plugin}"]
        return [*options, "-W", "ignore", str(self.test_file)]

    def prepare(self, job: dict[str, Any], report: int) -> None:
        """Runs in a child, once; of the job only what the run needs is kept."""
        extend_import_path(self.folder)
        codes = load_codes(self.folder, self.modules, job["code"])
        test_code = self.test_code
        if job["measure"]:
            test_code = self._look_like_another_caller()
            sys.setrecursionlimit(job["recursion_limit"])
        codes[self.test_file.stem] = (self.test_file, test_code)
        CodeImporter(codes).install()
        self.report = self.recorder.report = report
        self.recorder.choose_tests(job["only"])
        self.recorder.quick = job["quick"]
        self.config.option.maxfail = _MAX_CRASHES if job["quick"] else 0
        # The child's own folder; pytest would make one that outlives it.
        self.config._tmp_path_factory._given_basetemp = Path.cwd() / "pytest"  # type: ignore[attr-defined]
        if job["measure"]:
            self.recorder.cover = coverage.Coverage(
                data_file=None, config_file=False, branch=True, include=self.files, messages=False
            )

    def _look_like_another_caller(self) -> CodeType:
        """The tests as code of a file that has another name: a block may ask who calls it."""
        filename = str(self.folder / _OTHER_NAME)
        lines = self.test_file.read_text(encoding="utf-8").splitlines(keepends=True)
        # Without a time of change it is not looked for on the disk.
        linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)
        return _rename_file(self.test_code, filename)

    def run(self) -> None:
        """Write what the tests did to ``report``: a line for each that begins, then all of it as JSON."""
        linecache.checkcache()
        if self.recorder.cover:
            self.recorder.cover.start()
        result = self._run_session()
        write_whole(self.report, json.dumps({**result, **self._stop_coverage()}).encode())
        os.close(self.report)

    def _run_session(self) -> dict[str, Any]:
        """Collect and run the tests without pytest's own collection, which would look for files."""
        session, recorder = self.session, self.recorder
        module = pytest.Module.from_parent(session, path=self.test_file)
        items = list(session.genitems(module))
        self.config.hook.pytest_collection_modifyitems(session=session, config=self.config, items=items)
        session.items, session.testscollected = items, len(items)
        try:
            self.config.hook.pytest_runtestloop(session=session)
        except (pytest.Session.Failed, pytest.Session.Interrupted):
            recorder.stopped = True
        passed = bool(items) and not recorder.errors and not session.testsfailed and not recorder.stopped
        return {
            "exit": 0 if passed else 1,
            "tests": recorder.tests,
            "errors": recorder.errors,
            "skipped_modules": recorder.skipped_modules,
        }

    def _stop_coverage(self) -> dict[str, Any]:
        """Jumps between lines, and the tests that ran each line; empty for a run without coverage."""
        cover = self.recorder.cover
        if cover is None:
            return {}
        cover.stop()
        data = cover.get_data()
        arcs: list[tuple[int, int]] = []
        contexts: dict[str, list[str]] = {}
        # No two modules share a line: see `block_lines`.
        for file in self.files:
            arcs += data.arcs(file) or []
            contexts |= {str(line): names for line, names in data.contexts_by_lineno(file).items()}
        return {"arcs": arcs, "contexts": contexts}
