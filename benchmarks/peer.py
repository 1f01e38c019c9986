"""The comparison with another server of the same contract, by the load clients of that server's folder.

Its run.py starts both servers over one mongod, runs each client against one and then the other, and prints a line of
JSON for each on stderr: `peer: {"client": ...}` and `product: {"client": ...}`.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import figures
from benchmarks.figures import Figure

#: Load clients open more connections and send more than one caller may.
RAISED = (
    "RATE_PER_CALLER",
    "RATE_PER_ADDRESS",
    "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_CALLER",
    "MAX_OPERATIONS_PER_CALLER",
    "MAX_FRAMES_PER_SECOND",
    "MAX_KB_PER_SECOND",
    "MAX_COMPLEXITY",
)
LINE = re.compile(r"(peer|product): (\{.*\}) \(")


class Compared(NamedTuple):
    """One key of what a client prints, and how it is shown."""

    client: str
    key: str
    what: str
    unit: str
    #: How many times better than the other server.
    target: float
    lower_is_better: bool = False


COMPARED = (
    Compared("memory", "kib_per_subscription_10000", "idle subscription, of 10,000", "KiB", 1.0, True),
    Compared("fanout", "deliveries_per_s", "fan-out to 1,000 equal subscriptions", "deliveries/s", 2.5),
    Compared("fanout", "net_cpu_us_per_delivery", "CPU of a delivery, without mutations", "us", 4.5, True),
    Compared("fanout", "p50_ms", "mutation to delivery at 5 events/s, p50", "ms", 1.0, True),
    Compared("fanout", "p99_ms", "mutation to delivery at 5 events/s, p99", "ms", 1.0, True),
    Compared(
        "fanout_distinct", "cpu_us_per_event_100", "CPU of an event, 100 subscriptions to a room", "us", 1.0, True
    ),
    Compared("fanout_distinct", "cpu_us_per_event_1000", "the same, 1,000 subscriptions", "us", 1.0, True),
    Compared("lookups", "created_per_s", "createUser, 32 connections", "/s", 0.8),
    Compared("lookups", "typename_per_s", "{ __typename }, 32 connections", "/s", 1.0),
    Compared("lookups", "by_field_cpu_us", "CPU of a user by a unique field", "us", 1.2, True),
    Compared("lookups", "by_field_p99_ms", "user by a unique field, p99", "ms", 1.2, True),
    Compared("lookups", "filter_cpu_us", "CPU of users by two fields and a role", "us", 1.0, True),
    Compared("pages", "c16_cpu_us", "CPU of a page of 50 agents", "us", 1.2, True),
    Compared("routing", "c1_rooms_per_s", "startRoom with routing, 1 at once", "/s", 1.0),
    Compared("routing", "c16_rooms_per_s", "startRoom with routing, 16 at once", "/s", 1.0),
    Compared("routing", "c64_rooms_per_s", "startRoom with routing, 64 at once", "/s", 1.0),
    Compared("routing", "c64_cpu_us", "CPU of startRoom, 64 at once", "us", 1.0, True),
)


def command() -> str:
    """The command that serves Switchboard, with the places that run.py fills in."""
    settings = {f"SWITCHBOARD_{name}": "100000" for name in RAISED} | {
        "SWITCHBOARD_PORT": "{port}",
        "SWITCHBOARD_MONGODB_URI": "{mongodb}",
        "SWITCHBOARD_ADMIN_TOKEN": "{token}",
    }
    assigned = " ".join(f"{name}={value}" for name, value in settings.items())
    return f"env {assigned} {Path(sys.executable).parent / 'switchboard'} serve"


def run(folder: Path, *, full: bool, record: Path) -> bool:
    """Run the comparison, with its output on the terminal, and record its figures. Returns whether it succeeded."""
    arguments = [sys.executable, "run.py", *(() if full else ("--quick",)), "--product", command()]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            if match := LINE.match(line):
                values = msgspec.json.decode(match.group(2), type=dict[str, Any])
                found[match.group(1), values["client"]] = values
    figures.append(record, compared(found))
    return running.returncode == 0


def compared(found: dict[tuple[str, str], dict[str, Any]]) -> list[Figure]:
    """The figures that both servers have, by what their clients printed."""
    rows = []
    for client, key, what, unit, target, lower_is_better in COMPARED:
        ours, theirs = (found.get((side, client), {}).get(key) for side in ("product", "peer"))
        if ours is not None and theirs is not None:
            rows.append(Figure(what, ours, unit, theirs, "the other server", target, lower_is_better))
    return rows
