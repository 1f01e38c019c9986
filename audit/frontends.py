"""The judges of `make audit` that are clients of frontends, tools that generate code, and linters of schemas."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
SAMPLES = HERE / "frontends"
BUILD = HERE / "build"
BIN = HERE / "node_modules" / ".bin"
#: The longest time that one command may take.
COMMAND_SECONDS = 900
#: Findings of graphql-eslint that stay, by rule and by the end of their type's name, with the reason.
EXPLAINED = json.loads((HERE / "eslint_explained.json").read_text(encoding="utf-8"))


class CommandFailed(Exception):
    """A command ended with an error. The message has its output."""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What the command prints. Raises CommandFailed if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{' '.join(words)} did not end within {COMMAND_SECONDS} seconds") from error
    if done.returncode:
        raise CommandFailed(f"{' '.join(words)} failed:\n{done.stdout[-4_000:]}{done.stderr[-4_000:]}")
    return done.stdout


def assemble(name: str, url: str) -> Path:
    """A new project with the files that the guide shows, and the schema of the server."""
    project = BUILD / name
    shutil.rmtree(project, ignore_errors=True)
    for source in (SAMPLES / "shared", SAMPLES / name):
        shutil.copytree(source, project, dirs_exist_ok=True)
    shutil.copy(SAMPLES / "judges" / "tsconfig.json", project)
    run("node", "schema.mjs", url, cwd=project)
    return project


def judge(name: str, url: str, token: str) -> dict[str, Any]:
    """Compiles the samples of the client `name` with tsc --strict and runs them against the server."""
    project = assemble(name, url)
    shutil.copy(SAMPLES / "judges" / "common.ts", project / "src")
    shutil.copy(SAMPLES / "judges" / f"{name}.ts", project / "src" / "judge.ts")
    if (project / "relay.config.json").exists():
        run(BIN / "relay-compiler", cwd=project)
    run(BIN / "tsc", "--project", ".", cwd=project)
    run(BIN / "vite", "build", "--ssr", "src/judge.ts", "--logLevel", "warn", cwd=project)
    report: dict[str, Any] = json.loads(run("node", "dist/judge.js", url, token, cwd=project))
    return report


def generated_typescript(url: str) -> str:
    """graphql-codegen's output compiles with tsc --strict."""
    project = assemble("codegen", url)
    run(BIN / "graphql-codegen", "--config", "codegen.ts", "--silent", cwd=project)
    run(BIN / "tsc", "--project", ".", cwd=project)
    return "its output compiles with tsc --strict"


def generated_python(url: str, token: str, room: str) -> str:
    """ariadne-codegen's output passes mypy, and the program of the guide runs with it."""
    tools = client_tools()
    project = assemble("codegen", url)
    run(tools / "ariadne-codegen", cwd=project)
    run(sys.executable, "-m", "mypy", "--python-executable", tools / "python", "history.py", cwd=project)
    printed = run(tools / "python", "history.py", url, token, room, cwd=project)
    if printed.split("\n") != ["started: of the audit", "ROOM_QUEUED", "closed: by the audit", ""]:
        raise CommandFailed(f"history.py printed {printed!r}")
    return "its output passes mypy; a query and a mutation run"


def introspection(url: str) -> str:
    """The oldest graphql-core that is in wide use reads the introspection."""
    version, types = run(client_tools() / "python", HERE / "read_introspection.py", url, cwd=HERE).split()
    return f"version {version} reads {types} types"


def client_tools() -> Path:
    """The programs of requirements-clients.txt."""
    return python_tools(".venv-clients", "requirements-clients.txt")


def python_tools(folder: str, requirements: str) -> Path:
    """The programs that `requirements` installs, in a virtual environment of their own."""
    tools, wanted = HERE / folder, HERE / requirements
    installed = tools / "installed.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        run(sys.executable, "-m", "venv", "--clear", tools, cwd=HERE)
        run(tools / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", wanted, cwd=HERE)
        shutil.copy(wanted, installed)
    return tools / "bin"


def lint() -> tuple[str, list[str]]:
    """What graphql-eslint finds in schema.graphql: a summary, and the findings that nothing explains."""
    shutil.copy(ROOT / "schema" / "schema.graphql", HERE / "build" / "schema.graphql")
    command = [str(BIN / "eslint"), "--config", "eslint.config.mjs", "--format", "json", "build/schema.graphql"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    if not done.stdout:
        raise CommandFailed(f"eslint failed:\n{done.stderr[-4_000:]}")
    lines = (BUILD / "schema.graphql").read_text(encoding="utf-8").splitlines()
    unexplained, counts = [], Counter[str]()
    for message in json.loads(done.stdout)[0]["messages"]:
        rule = str(message["ruleId"]).removeprefix("@graphql-eslint/")
        counts[rule] += 1
        subject = f"{lines[message['line'] - 1].strip()} {message['message']}"
        if not any(part in subject for part in EXPLAINED.get(rule, {})):
            unexplained.append(f"{rule}: {subject}")
    stale = [rule for rule in EXPLAINED if not counts[rule]]
    unexplained += [f"{rule} finds nothing any more" for rule in stale]
    return f"{counts.total()} findings, {len(unexplained)} of them unexplained", unexplained
