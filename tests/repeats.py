"""Shows the tests that failed at first and passed when they were repeated, with what failed."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print why each of these tests failed: a test that fails sometimes has a fault that is to be corrected."""
    repeated = terminalreporter.getreports("rerun")
    if repeated:
        terminalreporter.write_sep("=", "REPEATED TESTS: correct what made them fail")
    for report in repeated:
        terminalreporter.write_sep("_", report.nodeid)
        terminalreporter.write_line(report.longreprtext)
