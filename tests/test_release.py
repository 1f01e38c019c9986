"""`make release` refuses a tree that is not ready, and reports what it could not check."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "client/pyproject.toml", "CHANGELOG.md", "schema/schema.graphql")


@pytest.fixture(scope="module")
def release() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("audit_release", ROOT / "audit" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(release: ModuleType, tmp_path: Path) -> Path:
    """A tree that can be released."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    _, version = release.project(tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version} (2026-11-29)\n", encoding="utf-8")
    (tmp_path / "schema" / "releases").mkdir()
    shutil.copy(ROOT / "schema" / "schema.graphql", tmp_path / "schema" / "releases" / f"{version}.graphql")
    return tmp_path


def test_a_tree_with_one_version_everywhere_can_be_released(release: ModuleType, tree: Path) -> None:
    assert release.problems(tree) == []


def test_a_client_of_another_version_is_refused(release: ModuleType, tree: Path) -> None:
    (tree / "client" / "pyproject.toml").write_text('[project]\nversion = "9.9.9"\n', encoding="utf-8")

    (problem,) = release.problems(tree)
    assert problem.startswith("client/pyproject.toml has version 9.9.9")


def test_a_changelog_with_unreleased_changes_is_refused(release: ModuleType, tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n", encoding="utf-8")

    (problem,) = release.problems(tree)
    assert problem.startswith("The first heading of CHANGELOG.md must be: ## ")


def test_a_schema_that_is_not_kept_is_refused(release: ModuleType, tree: Path) -> None:
    with (tree / "schema" / "schema.graphql").open("a", encoding="utf-8") as schema:
        schema.write("scalar Another\n")

    (problem,) = release.problems(tree)
    assert problem.endswith("must be a copy of schema/schema.graphql.")


def test_without_a_network_the_audit_says_that_nothing_is_checked(release: ModuleType) -> None:
    audit = release.audited("", "requests.exceptions.ConnectionError: Max retries exceeded", 40)

    assert audit.good
    assert audit.text.startswith("NOT CHECKED: the advisories cannot be read without a network.")
    assert "40 packages" in audit.text


def test_an_index_without_advisories_checks_nothing(release: ModuleType) -> None:
    audit = release.audited(json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]}), "", 1)

    assert audit.good
    assert audit.text.startswith(
        "NOT CHECKED: the package index has no advisories. No known vulnerability of the 1 pack"
    )


def test_an_audit_that_fails_otherwise_is_no_success(release: ModuleType) -> None:
    audit = release.audited("", "usage: pip-audit", 40)

    assert (audit.good, audit.text) == (False, "NOT CHECKED: pip-audit failed:\nusage: pip-audit")


def test_a_vulnerability_fails_the_release_and_is_named(release: ModuleType) -> None:
    found = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ]
    }

    audit = release.audited(json.dumps(found), "", 3)

    assert not audit.good
    assert audit.text.splitlines() == [
        "2 packages are checked, 1 vulnerabilities are known.",
        "a 1: CVE-1, fixed in 2",
        "NOT CHECKED: c: not found",
    ]
