"""Runs all programs of this folder in their short form, and prints one table of their figures.

    python -m benchmarks [--full] [--only NAME,NAME] [--peer FOLDER]

Each figure stands beside a reference of the same run. `--peer` names the folder of a comparison with another server,
whose `run.py --product COMMAND` runs both and prints a line of JSON for each client. Results depend on what else the
machine does: the load average is printed with them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import figures, peer

HERE = Path(__file__).parent
#: Not programs, but what they share.
SHARED = {"__main__", "figures", "peer", "sockets"}


def programs() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED)


def main() -> int:
    known = [*programs(), "peer"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the long form: an hour instead of some ten minutes")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(known)}")
    parser.add_argument("--peer", metavar="FOLDER", type=Path, help="the folder of the comparison with another server")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else known
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"there is no benchmark {unknown[0]}: choose from {', '.join(known)}")
    if options.peer and not (options.peer / "run.py").is_file():
        parser.error(f"there is no run.py in {options.peer}")
    if "peer" in chosen and not options.peer:
        chosen.remove("peer")
        print("The comparison with another server is left out: name its folder with --peer FOLDER.", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "figures.jsonl"
        failed = [name for place, name in enumerate(chosen) if not run(name, place, len(chosen), options, recorded)]
        found = figures.read(recorded)
    print(f"\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print(figures.table(found))
    if failed:
        print(f"\nFailed, so that figures are missing: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, place: int, count: int, options: argparse.Namespace, recorded: Path) -> bool:
    """Run one program, with its output on the terminal. Returns whether it succeeded."""
    print(f"[{place + 1}/{count}] {name} ...", flush=True)
    began = time.monotonic()
    if name == "peer":
        succeeded = peer.run(options.peer, full=options.full, record=recorded)
    else:
        command = [sys.executable, "-m", f"benchmarks.{name}", *(() if options.full else ("--quick",))]
        environment = os.environ | {figures.VARIABLE: str(recorded)}
        succeeded = subprocess.run(command, cwd=HERE.parent, env=environment, check=False).returncode == 0
    outcome = "done" if succeeded else "FAILED"
    print(f"[{place + 1}/{count}] {name}: {outcome}, {time.monotonic() - began:.0f} s", flush=True)
    return succeeded


if __name__ == "__main__":
    sys.exit(main())
