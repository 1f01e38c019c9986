"""The wheel, installed into an environment of its own without a clone, serves the API and the built pages."""

import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "server" / "pages" / "built"
SOURCES = ("server", "schema", "resolvers", "storage", "pyproject.toml", "README.md")
TOKEN = "the-admin-token-of-the-wheel"


def build_wheel(folder: Path) -> Path:
    """The wheel of a copy of the sources, so that nothing is written beside them."""
    copy = folder / "copy"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copy)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A new environment with the wheel. It finds other packages where this process has them. Returns its programs."""
    venv.create(folder)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder / "bin"


def asset_names(page: str) -> list[str]:
    """The names of the assets that a page loads."""
    return re.findall(r"/assets/([\w.-]+)", page)


def test_the_installed_wheel_serves_with_the_pages(mongodb_uri: str, tmp_path: Path) -> None:
    programs = install(build_wheel(tmp_path), tmp_path / "environment")
    settings = {
        "SWITCHBOARD_MONGODB_URI": mongodb_uri,
        "SWITCHBOARD_DATABASE": f"test-{secrets.token_hex(6)}",
        "SWITCHBOARD_ADMIN_TOKEN": TOKEN,
        "SWITCHBOARD_PORT": "0",
    }
    with subprocess.Popen(
        [programs / "switchboard", "serve"], cwd=tmp_path, env=settings, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            found = next(match for line in server.stdout if (match := re.search(r"GraphQL +(http://\S+)", line)))
            url = found.group(1)
            page = httpx.get(url.removesuffix("graphql"), headers={"accept": "text/html"}, timeout=60)
            body = {"query": "{ viewer { __typename } }"}
            answer = httpx.post(url, json=body, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60).json()
        finally:
            server.terminate()

    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    assert answer == {"data": {"viewer": {"__typename": "Viewer"}}}
    assert {path.name for path in (packages / "server" / "pages" / "built").glob("*.html")} == {
        path.name for path in BUILT.glob("*.html")
    }
    assert page.status_code == 200
    if BUILT.exists():
        assert asset_names(page.text) == asset_names((BUILT / "index.html").read_text(encoding="utf-8")) != []
    assert server.returncode == 0
