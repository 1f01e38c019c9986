"""`make audit`: starts a server and runs security and conformance tools of other projects against it.

The results go to docs/security.md.

Usage: python audit/run.py [--operations N] [--conversations N] [--write]
"""

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import frontends
from frontends import CommandFailed
from graphql import build_schema

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- audit: written by make audit -->", "<!-- audit: end -->"
#: The longest time that one tool may take.
TOOL_SECONDS = 3_600
#: What the tools check, as the table names it.
WEBSOCKETS = "queries, mutations, subscriptions, resuming, revocation, every close code; server-sent events"
OPERATIONS = "generated operations on every root field"
FUZZ = "malformed websocket messages, alone and among valid, and frames"
JUDGED = "history beside a live room; a live list equals the query after random changes; no room goes back"

#: What a tool found, and whether that is as it should be.
Verdict = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    tool: str
    what: str
    result: str
    good: bool


def attempt(tool: str, what: str, run: Callable[[], Verdict]) -> Row:
    """Runs a tool. If it fails, so does its line of the table, and the other tools still run."""
    try:
        result, good = run()
    except Exception as error:
        say(f"{tool}: {type(error).__name__}: {error}")
        result, good = "FAILED", False
    return Row(tool, what, result, good)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=5_000, help="how many operations schemathesis sends")
    parser.add_argument(
        "--conversations", type=int, default=500, help="how many websocket conversations the fuzz test has"
    )
    parser.add_argument("--frontends", action="store_true", help="run the clients of frontends and the linter alone")
    parser.add_argument("--write", action="store_true", help="write the table into docs/security.md")
    arguments = parser.parse_args()
    rows = [row for row in (attempt("npm", "the packages of the clients", npm),) if not row.good]
    with served() as (url, token, log):
        rows += clients(url, token)
        if arguments.frontends:
            say("\n".join(f"{row.tool}: {row.result}" for row in rows))
            return 0 if all(row.good for row in rows) else 1
        rows += [
            attempt("graphql-http", "its 61 audits, anonymous client", lambda: http(url)),
            attempt("graphql-http", "its 61 audits, authorised client", lambda: http(url, token)),
            attempt("graphql-ws, graphql-sse", WEBSOCKETS, lambda: websockets(url, token)),
            attempt("schemathesis", OPERATIONS, lambda: operations(url, token, arguments.operations, log)),
        ]
    rows.append(attempt("hypothesis", FUZZ, lambda: fuzz(arguments.conversations)))
    table = [
        "| tool | what | result |",
        "| --- | --- | --- |",
        *(f"| {row.tool} | {row.what} | {row.result} |" for row in rows),
    ]
    say("\n".join(table))
    if arguments.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text("\n".join([before + BEGIN, "", *table, "", END + after]), encoding="utf-8")
    return 0 if all(row.good for row in rows) else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# ---------------------------------------------------------------- server and data


@contextmanager
def served() -> Iterator[tuple[str, str, Path]]:
    """Run a new server. Yields its GraphQL address, its admin token and its log file."""
    token = secrets.token_hex(20)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
        settings = {"SWITCHBOARD_PORT": "0", "SWITCHBOARD_ADMIN_TOKEN": token, "SWITCHBOARD_DATA_DIR": f"{folder}/data"}
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                cwd=ROOT,
                env=own | settings,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"GraphQL +(http://\S+)", line):
                    yield found.group(1), token, log
                    break
            else:
                raise SystemExit(f"The server did not start:\n{log.read_text()}")
        finally:
            process.terminate()
            process.communicate()


def ask(url: str, token: str, query: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the server started above
        url,
        json.dumps({"query": query}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        body = json.load(answer)
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


def fill(url: str, token: str) -> dict[str, list[str]]:
    """Create users, agents, rooms and more. Returns their ids and names, for generated operations."""
    ids = []
    for name in ("ann", "ben"):
        user = ask(url, token, f'mutation {{ createUser(input: {{username: "{name}"}}) {{ user {{ id }} }} }}')
        ids.append(user["createUser"]["user"]["id"])
        ask(url, token, f'mutation {{ addAgent(input: {{userId: "{ids[-1]}"}}) {{ added }} }}')
        ask(
            url,
            token,
            f'mutation {{ setPresence(input: {{userId: "{ids[-1]}", presence: ONLINE}}) {{ user {{ id }} }} }}',
        )
    department = ask(url, token, 'mutation { createDepartment(input: {name: "sales"}) { department { id } } }')
    ids.append(department["createDepartment"]["department"]["id"])
    ask(url, token, 'mutation { saveVisitor(input: {token: "visitor"}) { visitor { id } } }')
    for _ in range(3):
        room = ask(url, token, 'mutation { startRoom(input: {visitorToken: "visitor"}) { room { id } } }')
        ids.append(room["startRoom"]["room"]["id"])
        message = ask(
            url,
            token,
            f'mutation {{ sendMessage(input: {{roomId: "{ids[-1]}", text: "hello"}}) {{ message {{ id }} }} }}',
        )
        ids.append(message["sendMessage"]["message"]["id"])
    for target, key, kind in (
        ("USER", "externalId", "TEXT"),
        ("ROOM", "caseId", "NUMBER"),
        ("VISITOR", "vip", "BOOLEAN"),
    ):
        unique = "true" if kind == "TEXT" else "false"
        fields = f'{{target: {target}, key: "{key}", type: {kind}, unique: {unique}}}'
        define = f"defineCustomField(input: {fields})"
        field = ask(url, token, f"mutation {{ {define} {{ definition {{ id }} }} }}")
        ids.append(field["defineCustomField"]["definition"]["id"])
    names = ["ann", "ben", "sales", "visitor", "externalId", "caseId", "vip", "bot", "livechat-agent", "rooms:read"]
    return {"ids": ids, "names": names, "cursors": [ask(url, token, "{ eventCursor }")["eventCursor"]]}


# ---------------------------------------------------------------- clients of frontends


def clients(url: str, token: str) -> list[Row]:
    """Linters, generators of code and caches of clients. See docs/guides/frontends."""
    frontends.BUILD.mkdir(exist_ok=True)
    names = {"apollo": "Apollo Client", "relay": "Relay", "urql": "urql"}
    what = "schema-recommended and schema-relay on schema.graphql"
    return [
        attempt("graphql-eslint", what, lint),
        *(attempt(tool, JUDGED, partial(client, name, tool, url, token)) for name, tool in names.items()),
        attempt("graphql-codegen", "the documents of the guide", lambda: (frontends.generated_typescript(url), True)),
        attempt("ariadne-codegen", "the documents of the guide", lambda: generated_python(url, token)),
        attempt("graphql-core", "introspection", lambda: (frontends.introspection(url), True)),
    ]


def lint() -> Verdict:
    summary, unexplained = frontends.lint()
    for finding in unexplained:
        say(f"graphql-eslint: {finding}")
    return summary, not unexplained


def client(name: str, tool: str, url: str, token: str) -> Verdict:
    report = frontends.judge(name, url, token)
    for failure in report["failed"]:
        say(f"{tool}: {failure}")
    return f"{report['passed']} of {report['total']} pass", not report["failed"]


def generated_python(url: str, token: str) -> Verdict:
    ask(url, token, 'mutation { saveVisitor(input: {token: "visitor"}) { visitor { id } } }')
    start = 'startRoom(input: {visitorToken: "visitor", subject: "of the audit"}) { room { id } }'
    room = ask(url, token, f"mutation {{ {start} }}")["startRoom"]["room"]["id"]
    return frontends.generated_python(url, token, room), True


# ---------------------------------------------------------------- tools


def npm() -> Verdict:
    program = shutil.which("npm")
    if program is None:
        raise SystemExit("make audit needs Node.js 20 or later, with npm, on the PATH.")
    frontends.run(program, "ci", cwd=HERE)
    return "installed", True


def node(script: str, *arguments: str) -> dict[str, Any]:
    program = shutil.which("node")
    assert program is not None, "npm comes with node"
    done = subprocess.run(
        [program, str(HERE / script), *arguments], capture_output=True, text=True, timeout=TOOL_SECONDS
    )
    if done.returncode:
        raise CommandFailed(f"{script} failed:\n{done.stderr[-4_000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    for failure in report["failed"]:
        say(f"{script}: {failure}")
    return report


def http(url: str, *token: str) -> Verdict:
    report = node("http.mjs", url, *token)
    levels = ", ".join(f"{level} {passed}/{total}" for level, (passed, total) in sorted(report["tally"].items()))
    result = f"{report['passed']} of {report['total']} pass ({levels})"
    return result, report["passed"] == report["total"] == 61


def websockets(url: str, token: str) -> Verdict:
    report = node("websockets.mjs", url, token)
    return f"{report['passed']} of {report['total']} pass", not report["failed"]


def root_fields() -> int:
    """The number of fields of the roots, each of which schemathesis tries equally often."""
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    roots = (schema.query_type, schema.mutation_type)
    return sum(len(root.fields) for root in roots if root is not None)


def operations(url: str, token: str, wanted: int, log: Path) -> Verdict:
    schemathesis = frontends.python_tools(".venv", "requirements.txt") / "schemathesis"
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder, "tally.json")
        each = -(-wanted // root_fields())
        own = os.environ | {
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "KNOWN": json.dumps(fill(url, token)),
            "TALLY": str(tally),
        }
        done = subprocess.run(
            [
                *(str(schemathesis), "run", url),
                *("--header", f"Authorization: Bearer {token}"),
                *("--checks", "no_internal_error", "--phases", "fuzzing", "--max-examples", str(each)),
                *("--request-timeout", "10", "--no-shrink", "--continue-on-failure", "--warnings", "off"),
            ],
            cwd=HERE,
            env=own,
            capture_output=True,
            text=True,
        )
        codes: dict[str, int] = json.loads(tally.read_text())
    found = re.search(r"(\d+) generated", done.stdout)
    generated = int(found.group(1)) if found else 0
    internal = codes.get("INTERNAL", 0) + log.read_text().count("Traceback")
    answered = codes.get("ANSWERED", 0)  # without those that timed out
    good = done.returncode == 0 and not internal and wanted <= generated <= answered
    if not good:
        say(f"{generated} operations generated, {answered} answered, {wanted} wanted")
        say(done.stdout[-5_000:])
        say(log.read_text()[-5_000:])
    result = f"{generated:,} operations: {codes.get('OK', 0):,} succeeded, {internal} INTERNAL or 5xx, " + (
        "none timed out" if good else "FAILED"
    )
    return result, good


def fuzz(conversations: int) -> Verdict:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/server/test_fuzz.py"],
        cwd=ROOT,
        env=os.environ | {"FUZZ_EXAMPLES": str(conversations)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        say(done.stdout[-5_000:])
    result = f"3 × {conversations:,} conversations: " + ("the server still serves" if not done.returncode else "FAILED")
    return result, not done.returncode


if __name__ == "__main__":
    sys.exit(main())
