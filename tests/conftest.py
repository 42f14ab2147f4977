"""Skipped is failed where everything can run: with TBILL_NO_SKIPS set, as in .ci/run.

A test is skipped where its platform or a tool of it is missing (node, anvil, a browser, a C compiler, POSIX, the
published data). On a machine that has them all a skip is a test that was lost.
"""

import os
from typing import Any

import pytest

VARIABLE = "TBILL_NO_SKIPS"


def _lost(report: Any) -> Any:
    if report.skipped and os.environ.get(VARIABLE) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{VARIABLE} is set and this was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    return _lost((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    return _lost((yield))
