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
#: Findings of graphql-eslint that stay, by rule and by the end of their type's name, with the reason.
EXPLAINED = json.loads((HERE / "eslint_explained.json").read_text(encoding="utf-8"))


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What the command prints. Raises SystemExit with its output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-4_000:]}{done.stderr[-4_000:]}")
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
    """The report of the client `name`: its samples are compiled with tsc --strict and run against the server."""
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


def generated_python(url: str) -> str:
    """ariadne-codegen's output imports, and graphql-core 3.2.6 reads the introspection."""
    tools = HERE / ".venv-clients"
    python = tools / "bin" / "python"
    if not (tools / "bin" / "ariadne-codegen").exists():
        run(sys.executable, "-m", "venv", tools, cwd=HERE)
        run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements-clients.txt", cwd=HERE)
    project = assemble("codegen", url)
    run(tools / "bin" / "ariadne-codegen", cwd=project)
    run(python, "-c", "import switchboard_client", cwd=project)
    types = run(python, HERE / "read_introspection.py", url, cwd=project).strip()
    return f"its output imports; graphql-core 3.2.6 reads {types} types by introspection"


def lint() -> tuple[str, list[str]]:
    """What graphql-eslint finds in schema.graphql: a summary, and the findings that nothing explains."""
    shutil.copy(ROOT / "schema" / "schema.graphql", HERE / "build" / "schema.graphql")
    command = [str(BIN / "eslint"), "--config", "eslint.config.mjs", "--format", "json", "build/schema.graphql"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
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
