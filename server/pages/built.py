"""The files of the pages that `make pages` has built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
#: The files of the folder `assets` that are served, by the end of their names.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
}
#: The content codings for which the build writes files, with the ends of their names, best first.
CODINGS = {"br": ".br", "gzip": ".gz"}
NO_BUILD = "The pages have not been built."


@dataclass(frozen=True, slots=True)
class Asset:
    """A script, style or font of a page, with the files of its compressed forms by content coding."""

    file: Path
    media_type: str
    compressed: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class BuiltPages:
    """The pages by name, such as `graphiql`, and their assets by file name."""

    pages: Mapping[str, str]
    assets: Mapping[str, Asset]
    #: Why there are no pages, or why they are older than their sources; empty if they are current.
    problem: str = ""


def read_built_pages(folder: Path = FOLDER) -> BuiltPages:
    """The pages in the folder `built`. Without them, `problem` says why."""
    failure = folder / "build_failure.txt"
    problem = failure.read_text(encoding="utf-8").strip() if failure.exists() else ""
    pages = {file.stem: file.read_text(encoding="utf-8") for file in sorted((folder / "built").glob("*.html"))}
    files = sorted((folder / "built" / "assets").glob("*"))
    assets = {
        file.name: Asset(file, MEDIA_TYPES[file.suffix], compressed_forms(file))
        for file in files
        if file.suffix in MEDIA_TYPES
    }
    return BuiltPages(pages, assets, problem or ("" if pages else NO_BUILD))


def compressed_forms(file: Path) -> dict[str, Path]:
    forms = {coding: file.with_name(f"{file.name}{ending}") for coding, ending in CODINGS.items()}
    return {coding: form for coding, form in forms.items() if form.exists()}
