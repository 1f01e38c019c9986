"""Background tasks: failures are logged, reported in health, and followed by a restart."""

import ast
import asyncio
import logging
from pathlib import Path

import pytest
from pymongo.errors import AutoReconnect

from storage import supervisor
from storage.supervisor import Supervisor, spawn
from tests.storage.support import until

ROOT = Path(__file__).parents[2]


async def test_task_that_fails_is_logged_and_restarted(caplog: pytest.LogCaptureFixture) -> None:
    supervised, runs = Supervisor(), 0
    runs_on = asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise ValueError("an unknown enum value")
        runs_on.set()
        await asyncio.Event().wait()

    supervised.supervise("count", run)

    async with asyncio.timeout(30):
        await runs_on.wait()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "The background task 'count' failed (1 in a row) and starts again: ValueError: an unknown enum value"
    ]
    assert errors[0].exc_info is not None
    await supervised.stop()


async def test_error_of_the_database_is_one_line_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    supervised, failed = Supervisor(), asyncio.Event()

    async def run() -> None:
        failed.set()
        raise AutoReconnect("gone")

    supervised.supervise("read", run)
    await failed.wait()
    await supervised.stop()

    ((level, message, trace),) = [(one.levelno, one.getMessage(), one.exc_info) for one in caplog.records]
    assert (level, trace) == (logging.WARNING, None)
    assert message.endswith("starts again: AutoReconnect: gone")


async def test_pause_before_a_restart_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    supervised, enough = Supervisor(), asyncio.Event()

    async def run() -> None:
        if len(pauses) == 9:
            enough.set()
            await asyncio.Event().wait()
        raise ValueError

    monkeypatch.setattr(asyncio, "sleep", note)
    supervised.supervise("fail", run)
    await enough.wait()
    await supervised.stop()

    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]


async def test_task_that_is_cancelled_from_inside_is_restarted() -> None:
    supervised, runs = Supervisor(), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        raise asyncio.CancelledError

    supervised.supervise("wait", run)

    async def ran_again() -> bool:
        return runs >= 3

    await until(ran_again)
    await supervised.stop()


async def test_task_that_keeps_failing_is_among_the_failures_until_it_runs() -> None:
    supervised, fails, ran = Supervisor(), True, asyncio.Event()

    async def run() -> None:
        if fails:
            raise KeyError("type")
        ran.set()

    supervised.supervise("heartbeat", run, every=0.01, essential=True)

    async def failed_twice() -> bool:
        return [one.count >= 2 for one in supervised.failures()] == [True]

    await until(failed_twice)
    (failure,) = supervised.failures()
    assert (failure.name, failure.error, failure.essential) == ("heartbeat", "KeyError", True)
    assert not failure.prevents_serving

    fails = False
    async with asyncio.timeout(30):
        await ran.wait()
    await asyncio.sleep(0)

    assert supervised.failures() == []
    await supervised.stop()


async def test_essential_task_that_fails_for_long_prevents_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "NOT_READY_SECONDS", 0.05)
    supervised = Supervisor()

    async def run() -> None:
        raise ValueError

    supervised.supervise("needed", run, essential=True)
    supervised.supervise("extra", run)

    async def prevented() -> bool:
        return {one.name: one.prevents_serving for one in supervised.failures()} == {"needed": True, "extra": False}

    await until(prevented)
    await supervised.stop()


async def test_stop_ends_every_task() -> None:
    supervised = Supervisor()
    task = supervised.supervise("wait", asyncio.Event().wait)
    await asyncio.sleep(0)

    await supervised.stop()

    assert task.cancelled()
    assert supervised.failures() == []


async def test_stop_ends_what_was_spawned_for_the_life_of_the_process() -> None:
    supervised = Supervisor()
    short = supervised.spawn(asyncio.sleep(0, "done"), name="short")
    assert await short == "done"
    endless = supervised.spawn(asyncio.Event().wait(), name="endless")

    await supervised.stop()

    assert endless.cancelled()


async def test_stop_ends_a_task_that_loses_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "CANCEL_AGAIN_SECONDS", 0.01)
    supervised, lost = Supervisor(), 0

    async def run() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = supervised.supervise("wait", run)
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await supervised.stop()

    assert task.cancelled()


async def test_spawned_task_is_referenced_until_it_ends() -> None:
    async def answer() -> int:
        return 42

    assert await spawn(answer(), name="answer") == 42


def test_endless_loops_are_started_by_supervise_alone() -> None:
    """The linter refuses asyncio.create_task. Functions started by `spawn` and `ensure_future` must end."""
    started: list[str] = []
    for folder in ("storage", "resolvers", "schema", "server"):
        for path in set((ROOT / folder).rglob("*.py")) - {Path(supervisor.__file__)}:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            endless = {one.name for one in ast.walk(tree) if isinstance(one, ast.AsyncFunctionDef) and _endless(one)}
            started += [f"{path.name}:{name}" for name in _spawned(tree) if name in {*endless, "run", "watch"}]

    assert started == []


def _endless(function: ast.AsyncFunctionDef) -> bool:
    """Whether the function has an endless loop without break or return."""
    loops = [one for one in ast.walk(function) if isinstance(one, ast.While) and isinstance(one.test, ast.Constant)]
    return any(not any(isinstance(one, ast.Return | ast.Break) for one in ast.walk(loop)) for loop in loops)


def _spawned(tree: ast.AST) -> list[str]:
    names = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) in ("spawn", "ensure_future", "create_task"):
            names += [_name(one.func) for one in call.args if isinstance(one, ast.Call)]
    return names


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
