"""`make release`: builds the wheel and the sdist, lists their packages, and looks for known vulnerabilities of these.

Writes into dist/: the wheel with the pages, the sdist, and NAME-VERSION.cdx.json, a bill of materials in CycloneDX's
format. Without a network the advisories cannot be read; the last lines then say what is not checked.
"""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
#: The packages that an installation has, with their versions.
LOCK = Path("deploy") / "requirements.lock"
COMMAND_SECONDS = 900
UNREACHABLE = ("ConnectionError", "Max retries exceeded", "NameResolutionError", "Could not connect", "timed out")
NOT_CHECKED = (
    "NOT CHECKED: {reason}. No known vulnerability of the {count} packages was looked for. "
    "Run  make release  again with a network before you publish."
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit of the dependencies found."""

    text: str
    good: bool


def project(root: Path) -> tuple[str, str]:
    """The name and the version of the project."""
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return declared["name"], declared["version"]


def problems(root: Path) -> list[str]:
    """Why the tree cannot be released; empty if it can."""
    _, version = project(root)
    found = []
    client = tomllib.loads((root / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if client != version:
        found.append(f"client/pyproject.toml has version {client}, and pyproject.toml has {version}.")
    headings = re.findall(r"^## (.+)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not headings or not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", headings[0]):
        found.append(f"The first heading of CHANGELOG.md must be: ## {version} (YYYY-MM-DD)")
    released = root / "schema" / "releases" / f"{version}.graphql"
    present = (root / "schema" / "schema.graphql").read_text(encoding="utf-8")
    if not released.exists() or released.read_text(encoding="utf-8") != present:
        found.append(f"schema/releases/{version}.graphql must be a copy of schema/schema.graphql.")
    return found


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(str(word) for word in command)} failed:\n{(done.stdout + done.stderr)[-4_000:]}")
    return done


def audited(output: str, errors: str, packages: int) -> Audit:
    """The result of pip-audit, from its JSON and its errors."""
    if not output.strip():
        if any(sign in errors for sign in UNREACHABLE):
            return Audit(
                NOT_CHECKED.format(reason="the advisories cannot be read without a network", count=packages), good=True
            )
        return Audit(f"NOT CHECKED: pip-audit failed:\n{errors[-2_000:]}", good=False)
    dependencies = json.loads(output)["dependencies"]
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in dependencies if "skip_reason" in one]
    if len(skipped) == len(dependencies):
        return Audit(
            NOT_CHECKED.format(reason="the package index has no advisories", count=len(dependencies)), good=True
        )
    vulnerable = [
        f"{one['name']} {one['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'no version'}"
        for one in dependencies
        for each in one.get("vulns", ())
    ]
    lines = [f"{len(dependencies) - len(skipped)} packages are checked, {len(vulnerable)} vulnerabilities are known."]
    lines += [*vulnerable, *(f"NOT CHECKED: {each}" for each in skipped)]
    return Audit("\n".join(lines), good=not vulnerable)


def main() -> int:
    if found := problems(ROOT):
        for problem in found:
            say(problem)
        return 1
    from frontends import python_tools

    name, version = project(ROOT)
    tools = python_tools(".venv-release", "requirements-release.txt")
    DIST.mkdir(exist_ok=True)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", DIST, ".")
    run(sys.executable, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(DIST)!r})")
    materials = DIST / f"{name}-{version}.cdx.json"
    run(
        *(tools / "cyclonedx-py", "requirements", LOCK, "--pyproject", "pyproject.toml"),
        *("--output-reproducible", "--output-file", materials),
    )
    components = json.loads(materials.read_text(encoding="utf-8"))["components"]
    say(f"{materials.relative_to(ROOT)} lists {len(components)} packages.")
    done = run(
        *(tools / "pip-audit", "--requirement", LOCK, "--require-hashes", "--disable-pip"),
        *("--format", "json", "--progress-spinner", "off"),
        check=False,
    )
    audit = audited(done.stdout, done.stderr, len(components))
    say(audit.text)
    for path in sorted(DIST.glob(f"{name}-{version}*")):
        say(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    return 0 if audit.good else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
