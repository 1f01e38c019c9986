"""Runs all programs of this folder in their short form, and prints one table of their figures.

    python -m benchmarks [--full] [--only NAME,NAME] [--peer FOLDER] [--write]

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

from benchmarks import figures, page, peer

HERE = Path(__file__).parent
#: The command that writes the table of docs/benchmarks.md.
COMMAND = "make bench BENCH=--write"
#: Not programs, but what they share.
SHARED = {"__main__", "bare_writes", "figures", "page", "peer", "sockets"}


def programs() -> list[str]:
    """The modules and packages of this folder that can be run."""
    modules = {path.stem for path in HERE.glob("*.py")} - SHARED
    return sorted(modules | {path.parent.name for path in HERE.glob("*/__main__.py")})


def main() -> int:
    known = [*programs(), "peer"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the long form: an hour instead of some ten minutes")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(known)}")
    parser.add_argument("--peer", metavar="FOLDER", type=Path, help="the folder of the comparison with another server")
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks.md, too")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else known
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"there is no benchmark {unknown[0]}: choose from {', '.join(known)}")
    if options.peer and not (options.peer / "run.py").is_file():
        parser.error(f"there is no run.py in {options.peer}")
    if "peer" in chosen and not options.peer:
        chosen.remove("peer")
        print("The comparison with another server is left out: name its folder with --peer FOLDER.", file=sys.stderr)

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "figures.jsonl"
        failed = [name for place, name in enumerate(chosen) if not run(name, place, len(chosen), options, recorded)]
        found = figures.read(recorded)
    form = "long" if options.full else "short"
    shown = (
        f"The {form} form on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load average {load:.1f} "
        f"before and {os.getloadavg()[0]:.1f} after:\n\n{figures.table(found)}"
    )
    print(f"\n{shown}")
    if options.write:
        page.write(COMMAND, shown)
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
