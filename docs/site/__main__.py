"""`make docs`: builds the documentation site into build/docs-site, without a network.

    python -m docs.site                     build the site
    python -m docs.site --out FOLDER        build it into another folder

A link without a target is an error.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.site import schema_pages, sources

ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("mkdocs.yml")
STYLE = CONFIGURATION.with_name("site.css")
OUT = ROOT / "build" / "docs-site"
#: mkdocs.yml reads the folder of the pages from this variable.
PAGES_VARIABLE = "SWITCHBOARD_SITE_PAGES"


def collect(folder: Path) -> None:
    """Write everything that MkDocs reads into a folder. Raises sources.BrokenLink."""
    sources.collect(ROOT, folder)
    (folder / "assets").mkdir()
    shutil.copy(STYLE, folder / "assets")
    schema_pages.write(ROOT / "schema" / "schema.graphql", folder / "reference" / "schema")


def build(out: Path) -> int:
    """Build the site into a folder. Returns the exit status of MkDocs."""
    with tempfile.TemporaryDirectory(prefix="switchboard-site-") as folder:
        collect(Path(folder))
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(CONFIGURATION)]
        environment = {**os.environ, PAGES_VARIABLE: folder, "NO_MKDOCS_2_WARNING": "1"}
        shutil.rmtree(out, ignore_errors=True)
        return subprocess.run([*command, "--site-dir", str(out)], env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the site")
    out: Path = parser.parse_args().out
    try:
        status = build(out.absolute())
    except sources.BrokenLink as error:
        print(error, file=sys.stderr)
        return 1
    if status == 0:
        print(f"The site is in {out}. Read it with  python -m http.server --bind 127.0.0.1 --directory {out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
