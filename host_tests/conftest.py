"""Shared by all tests: the firmware importable as on the device, the three-interpreter runner, `--soak`."""

import os
import sys
from pathlib import Path

import pytest

HOST_TESTS = Path(__file__).resolve().parent
os.fsync = lambda fd: None  # cuts of the power are tried on virtual flashes; on this one a file may come late
sys.path[:0] = [str(HOST_TESTS / "shims"), str(HOST_TESTS.parent), str(HOST_TESTS.parent / "firmware")]

import micropython  # noqa: E402, F401  the stand-in's additions to time, asyncio and sys
from hypothesis import HealthCheck, settings  # noqa: E402

from host_tests.runner import ours, pure  # noqa: E402

ours.claim(str(HOST_TESTS.parent / "firmware"))

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="long runs: more examples, and the tests marked slow")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: only with --soak")
    settings.load_profile("soak" if config.getoption("soak") else "quick")


def pytest_unconfigure(config):
    pure.clean_up()


def pytest_collect_file(file_path, parent):
    if file_path.parent == pure.PURE and file_path.name.startswith("test_") and file_path.suffix == ".py":
        return pure.PureFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makemodule(module_path, parent):
    # Files of the pure folder are for the runner alone.
    result = yield
    return None if module_path.parent == pure.PURE else result


def pytest_collection_modifyitems(config, items):
    if not config.getoption("soak"):
        skip = pytest.mark.skip(reason="long run: only with --soak")
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(skip)


def pytest_report_header(config):
    return [reason for interpreter in pure.INTERPRETERS if (reason := pure.why_not(interpreter))]


def pytest_terminal_summary(terminalreporter):
    for interpreter in pure.INTERPRETERS:
        if reason := pure.why_not(interpreter):
            terminalreporter.write_line(reason, yellow=True)


@pytest.fixture(scope="session")
def soak(request) -> bool:
    """True for long runs."""
    return request.config.getoption("soak")
