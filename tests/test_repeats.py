"""A test that fails is repeated once by `make test`, and shown."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITE = """
from pathlib import Path

ran = Path(__file__).with_name("ran")

def test_that_fails_sometimes():
    first = not ran.exists()
    ran.touch()
    assert not first, "the first time"

def test_that_fails():
    raise AssertionError("every time")
"""


def test_a_test_that_fails_is_repeated_once_and_shown_with_what_failed(tmp_path: Path) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    (of_make,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("PYTEST := ")]
    assert "--reruns 1 " in of_make
    options = ["-p", "tests.repeats", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    options += ["--numprocesses", "1", "--reruns", "1"]

    command = [sys.executable, "-m", "pytest", *options, str(suite)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert "1 failed, 1 passed, 2 rerun" in run.stdout
    shown = run.stdout.split("REPEATED TESTS", 1)[1]
    assert "test_suite.py::test_that_fails_sometimes" in shown
    assert "AssertionError: the first time" in shown
