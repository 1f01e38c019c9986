"""Copies the pages of the project into one folder, and makes their links point into it.

The pages of docs/ are at the top of the folder. A page or a file elsewhere in the project is below `project/`, under
its own path. A file that is no page is shown as one, so that a link to code works without a network.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

DOCS = PurePosixPath("docs")
ELSEWHERE = PurePosixPath("project")
SCHEMA = PurePosixPath("schema/schema.graphql")
SCHEMA_PAGE = PurePosixPath("reference/schema/README.md")
#: The languages of code in files, by suffix.
LANGUAGES = {
    ".css": "css",
    ".graphql": "graphql",
    ".json": "json",
    ".mjs": "js",
    ".py": "python",
    ".sh": "sh",
    ".toml": "toml",
    ".ts": "ts",
    ".tsx": "tsx",
    ".yaml": "yaml",
    ".yml": "yaml",
}
IMAGES = {".png", ".svg", ".webp"}
FENCE = re.compile(r"^(`{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\(|\bsrc=\"|\bsrcset=\"|\bhref=\")([^)\s\"]+)")


class BrokenLink(Exception):
    """A page links to a file that does not exist. The message names both."""


@dataclass(slots=True)
class Sources:
    """The files of the project at `root` that are copied into `folder`."""

    root: Path
    folder: Path
    #: Files that pages link to, which are copied after the pages.
    wanted: dict[PurePosixPath, None] = field(default_factory=dict)

    def place_of(self, path: PurePosixPath) -> PurePosixPath:
        """Where a file or folder of the project is in the folder of the site."""
        if path == SCHEMA:
            return SCHEMA_PAGE
        place = path.relative_to(DOCS) if path.is_relative_to(DOCS) else ELSEWHERE / path
        if (self.root / path).is_dir():
            return place / "README.md"
        if path.suffix == ".md" or path.suffix in IMAGES:
            return place
        return place.with_name(f"{place.name}.md")

    def write(self, place: PurePosixPath, content: str) -> None:
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")

    def copy_page(self, path: PurePosixPath) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        self.write(self.place_of(path), outside_fences(text, lambda part: self.linked(part, path)))

    def linked(self, text: str, page: PurePosixPath) -> str:
        """The text with links that are right in the folder."""

        def moved(match: re.Match[str]) -> str:
            target, mark, anchor = match[2].partition("#")
            if "://" in target or not target or target.startswith("mailto:"):
                return match[0]
            path = PurePosixPath(os.path.normpath(page.parent / target))
            if not (self.root / path).exists():
                raise BrokenLink(f"{page} links to {match[2]}, which does not exist.")
            if path.suffix != ".md":
                self.wanted[path] = None
            place = os.path.relpath(self.place_of(path), self.place_of(page).parent)
            return f"{match[1]}{place}{mark}{anchor}"

        return _LINK.sub(moved, text)

    def copy_wanted(self) -> None:
        """Copy the images, and show the other files and folders as pages."""
        for path in self.wanted:
            source, place = self.root / path, self.place_of(path)
            if path == SCHEMA or (self.folder / place).exists():
                continue
            if path.suffix in IMAGES:
                (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / place).write_bytes(source.read_bytes())
            elif source.is_dir():
                entries = sorted(f"- `{entry.name}`" for entry in source.iterdir() if entry.name != "__pycache__")
                self.write(place, "\n".join([f"# {path}/", "", *entries, ""]))
            else:
                language = LANGUAGES.get(path.suffix, "text")
                code = source.read_text(encoding="utf-8").rstrip()
                self.write(place, f"# {path}\n\n``````{language}\n{code}\n``````\n")


def pages(root: Path) -> Iterator[PurePosixPath]:
    """The pages of the project that the site has."""
    for pattern in ("*.md", "client/README.md", "docs/**/*.md", "examples/**/*.md"):
        for path in sorted(root.glob(pattern)):
            yield PurePosixPath(path.relative_to(root))


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """The text, changed outside of blocks of code."""
    parts, position = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[position : fence.start()]), fence[0]]
        position = fence.end()
    return "".join([*parts, change(text[position:])])


def collect(root: Path, folder: Path) -> None:
    """Copy the pages of the project, and everything that they link to, into a folder. Raises BrokenLink."""
    sources = Sources(root, folder)
    for path in pages(root):
        sources.copy_page(path)
    sources.copy_wanted()
