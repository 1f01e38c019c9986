"""The build of the pages: when it runs, and what a failure leaves behind."""

import subprocess
from pathlib import Path

import pytest
from graphql import build_schema, concat_ast, parse, validate

from web import build

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "web" / "src"
EXAMPLES = sorted((SOURCES / "graphiql" / "examples").glob("*.graphql"))
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder of sources with a lock file."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.ts").write_text("export {};", encoding="utf-8")
    (folder / "package-lock.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    return folder


def write_pages(web: Path) -> None:
    (web / "dist" / "assets").mkdir(parents=True)
    (web / "dist" / "graphiql.html").write_text("<p>built", encoding="utf-8")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the steps that ran. The steps are recorded instead of executed; the bundler writes a page."""
    ran: list[str] = []

    def record(step: build.Step, web: Path, *, path: str) -> None:
        ran.append(step.title)
        (web / "node_modules").mkdir(exist_ok=True)
        if step.title == "bundling":
            write_pages(web)

    monkeypatch.setattr(build, "run", record)
    return ran


def test_pages_are_built_once_and_again_after_a_change_of_a_source(web: Path, pages: Path, steps: list[str]) -> None:
    assert build.ensure_built(web, pages)
    first = len(steps)
    assert build.ensure_built(web, pages)
    assert len(steps) == first == 5

    (web / "src" / "main.ts").write_text("export const changed = 1;", encoding="utf-8")
    assert build.ensure_built(web, pages)

    # The packages are those of the lock file, which is the same.
    assert steps[first:] == ["generating types from schema.graphql", "checking types", "bundling", "compressing"]
    assert (pages / "built" / "graphiql.html").read_text(encoding="utf-8") == "<p>built"


def test_generated_files_are_no_sources(web: Path) -> None:
    before = build.sources_digest(web)

    for folder in ("node_modules", "dist", "src/gql"):
        (web / folder).mkdir()
        (web / folder / "file.js").write_text("generated", encoding="utf-8")

    assert build.sources_digest(web) == before


def test_a_failed_build_says_what_failed_and_leaves_the_older_pages(
    web: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pages / "built").mkdir()
    (pages / "built" / "graphiql.html").write_text("<p>older", encoding="utf-8")

    def fail(step: build.Step, web: Path, *, path: str) -> None:
        raise build.BuildFailed(f"{step.title} failed:\nno registry")

    monkeypatch.setattr(build, "run", fail)

    assert not build.ensure_built(web, pages)

    text = "installing the packages of web/package-lock.json failed:\nno registry\n"
    assert (pages / "build_failure.txt").read_text(encoding="utf-8") == text
    assert "To try again: make pages" in capsys.readouterr().out
    assert (pages / "built" / "graphiql.html").read_text(encoding="utf-8") == "<p>older"


def test_a_build_that_succeeds_removes_the_failure_of_an_earlier_one(web: Path, pages: Path, steps: list[str]) -> None:
    (pages / "build_failure.txt").write_text("no registry\n", encoding="utf-8")

    assert build.ensure_built(web, pages)

    assert not (pages / "build_failure.txt").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo nothing works; exit 3", "a step failed:\nnothing works"), ("exec sleep 60", "a step did not end within")],
)
def test_a_step_that_fails_or_does_not_end_is_reported(
    web: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(build, "STEP_SECONDS", 600 if "exit" in script else 0.1)

    with pytest.raises(build.BuildFailed, match=message):
        build.run(build.Step("a step", ("sh", "-c", script)), web, path="/usr/bin:/bin")


def test_no_target_of_make_but_wheel_stops_at_a_failed_build() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "run", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert "python web/build.py\n" in shown
    assert "--strict" not in shown


def test_the_lock_file_names_no_place_of_packages() -> None:
    assert "resolved" not in (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_of_graphiql_are_valid(example: Path) -> None:
    assert validate(SCHEMA, parse(example.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", ["chat", "dashboard"])
def test_operations_of_pages_are_valid(page: str) -> None:
    files = sorted((SOURCES / page).rglob("*.graphql"))
    documents = [parse(file.read_text(encoding="utf-8")) for file in files]

    assert documents
    assert validate(SCHEMA, concat_ast(documents)) == []
