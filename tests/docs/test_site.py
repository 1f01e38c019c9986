"""The pages of the documentation site: the navigation has all of them, and they need no other site."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from graphql import build_schema

from docs.site import sources
from docs.site.__main__ import CONFIGURATION, collect
from tests.processes import ROOT

IMAGES = sorted((ROOT / "docs" / "images").glob("*.svg"))


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags only MkDocs can resolve."""


Loader.add_multi_constructor("!", lambda *_: None)
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def configuration() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(CONFIGURATION.read_text(encoding="utf-8"), Loader)
    return loaded


def listed(entry: object) -> list[str]:
    """The pages of the navigation, in order."""
    if isinstance(entry, str):
        return [entry]
    assert isinstance(entry, dict | list)
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in listed(part)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that MkDocs reads."""
    path = tmp_path_factory.mktemp("site")
    collect(path)
    return path


def test_navigation_has_every_page_of_the_project(folder: Path) -> None:
    navigation = listed(configuration()["nav"])
    own = {str(sources.Sources(ROOT, folder).place_of(page)) for page in sources.pages(ROOT)}
    schema = {path.relative_to(folder).as_posix() for path in (folder / "reference" / "schema").glob("*.md")}

    assert set(navigation) == own | schema
    assert len(navigation) == len(set(navigation))


def test_every_link_has_a_target_in_the_folder(folder: Path) -> None:
    links = [
        (page, target)
        for page in folder.rglob("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)", sources.FENCE.sub("", page.read_text("utf-8")))
        if "://" not in target
    ]
    broken = [(str(page), target) for page, target in links if not (page.parent / target).exists()]

    assert len(links) > 500
    assert broken == []


def test_every_type_and_operation_of_the_schema_has_a_place(folder: Path) -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    roots = [schema.query_type, schema.mutation_type, schema.subscription_type]
    names = {name for name in schema.type_map if not name.startswith("__")} - {root.name for root in roots if root}
    names |= {name for root in roots if root for name in root.fields}
    built_in = {"Int", "Float", "String", "Boolean", "ID"}

    pages = (folder / "reference" / "schema").glob("*.md")
    headings = {name for page in pages for name in re.findall(r"^## (\w+)$", page.read_text("utf-8"), re.MULTILINE)}

    assert headings == names - built_in


def test_a_broken_link_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("[nothing](nothing.md)", encoding="utf-8")

    with pytest.raises(sources.BrokenLink, match=r"docs/a\.md links to nothing\.md"):
        sources.collect(tmp_path, tmp_path / "out")


def test_links_in_samples_stay_as_they_are() -> None:
    linked = sources.Sources(ROOT, Path()).linked

    text = sources.outside_fences(
        "[a](storage/records.py)\n```md\n[b](nothing.md)\n```\n", lambda part: linked(part, PurePosixPath("README.md"))
    )

    assert text == "[a](storage/records.py.md)\n```md\n[b](nothing.md)\n```\n"


def test_no_font_and_no_script_of_another_site_is_used() -> None:
    site = configuration()

    assert site["theme"]["font"] is False
    assert site["plugins"] == ["search"]
    assert not {"extra_javascript", "repo_url", "analytics"} & set(site)


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.name)
def test_pictures_are_complete_files(image: Path) -> None:
    tree = ElementTree.parse(image)

    text = image.read_text(encoding="utf-8")
    assert tree.getroot().get("viewBox")
    assert re.findall(r"(?:href|src)=\"(?!#)", text) == []
    assert "url(http" not in text
