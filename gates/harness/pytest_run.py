"""One run of the block's tests in a fresh child: pytest was imported beforehand, the block was not."""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import linecache
import marshal
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
from _pytest.assertion.rewrite import _rewrite_test
from _pytest.config import Config, _prepareconfig

from gates.harness import import_path

_MAX_TEXT = 4000
# What a run of one file needs not: each costs start-up in every child. The two exception hooks collect garbage twice per run.
_OFF = (
    "cacheprovider",
    "doctest",
    "faulthandler",
    "junitxml",
    "pastebin",
    "stepwise",
    "terminalprogress",
    "unraisableexception",
    "threadexception",
)


class CodeImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the block and its tests from code objects that were compiled before any of their lines ran."""

    def __init__(self, codes: dict[str, tuple[Path, types.CodeType]]) -> None:
        self.codes = codes

    def find_spec(
        self, fullname: str, _path: Any = None, _target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.codes:
            return None
        return importlib.util.spec_from_file_location(fullname, self.codes[fullname][0], loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.codes[module.__name__][1], module.__dict__)  # noqa: S102 - this is what the sandbox is for


class Recorder:
    """Collects what each test did, picks the tests of this run, and names the running test to coverage."""

    def __init__(self) -> None:
        self.only: set[str] | None = None
        self.cover: coverage.Coverage | None = None
        self.tests: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.skipped_modules = 0
        self.stopped = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.only is not None:
            items[:] = [item for item in items if item.nodeid in self.only]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        if self.cover:
            self.cover.switch_context(item.nodeid)
        result = yield
        if self.cover:
            self.cover.switch_context("")
        return result

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(str(report.longrepr)[-_MAX_TEXT:])
        self.skipped_modules += report.skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        entry = self.tests.setdefault(report.nodeid, {"outcome": "none", "seconds": 0.0, "text": ""})
        entry["seconds"] += report.duration
        outcome = "xfail" if hasattr(report, "wasxfail") else report.outcome
        if report.when == "call" or outcome != "passed":
            # A later phase may worsen an outcome, never mend it.
            entry["outcome"] = outcome if entry["outcome"] in ("none", "passed") else entry["outcome"]
        if outcome == "failed":
            entry["text"] = str(report.longrepr)[-_MAX_TEXT:]
            crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            entry["asserted"] = report.when == "call" and crash.startswith(
                ("assert", "AssertionError", "Failed: DID NOT")
            )


class PytestRun:
    """The prepared session of one zygote. ``__call__`` runs in a child, once."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = Path(folder), name
        self.recorder = Recorder()
        test_file = self.folder / f"test_{name}.py"
        off = [word for plugin in _OFF for word in ("-p", f"no:{plugin}")]
        options = [
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            "--noconftest",
            "--capture=no",
            "-q",
            "--tb=short",
            "--strict-markers",
        ]
        self.config: Config = _prepareconfig(
            [*options, *off, "-W", "ignore", str(test_file)], plugins=[self.recorder]
        )
        self.test_file, self.test_code = test_file, _rewrite_test(test_file, self.config)[1]
        # All that pytest does before it meets the block is done once, here; children inherit it.
        self.config._do_configure()
        self.config.pluginmanager.unregister(name="terminalreporter")
        self.session = pytest.Session.from_config(self.config)
        self.config.hook.pytest_sessionstart(session=self.session)
        sys.path[:0] = [folder]

    def __call__(self, job: dict[str, Any], report: int) -> None:
        module = self.folder / f"{self.name}.py"
        import_path.extend_import_path(self.folder)
        linecache.checkcache()
        served = CodeImporter(
            {
                self.name: (module, marshal.loads(job["code"])),  # noqa: S302 - compiled by the planner
                f"test_{self.name}": (self.folder / f"test_{self.name}.py", self.test_code),
            }
        )
        sys.meta_path.insert(0, served)
        self.recorder.only = None if job["only"] is None else set(job["only"])
        self.config.option.maxfail = job["maxfail"]
        self.config._tmp_path_factory._given_basetemp = Path.cwd() / "pytest"  # type: ignore[attr-defined]
        if job["measure"]:
            self._measured(module)
        result = self._session()
        _write(report, {**result, **self._lines(module)})

    def _session(self) -> dict[str, Any]:
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

    def _measured(self, module: Path) -> None:
        self.recorder.cover = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[str(module)], messages=False
        )
        self.recorder.cover.start()

    def _lines(self, module: Path) -> dict[str, Any]:
        cover = self.recorder.cover
        if cover is None:
            return {}
        cover.stop()
        data = cover.get_data()
        contexts = data.contexts_by_lineno(str(module))
        return {
            "arcs": data.arcs(str(module)) or [],
            "contexts": {str(line): names for line, names in contexts.items()},
        }


def _write(fd: int, value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    while data:
        data = data[os.write(fd, data) :]
    os.close(fd)
