"""`make rasa-check`: trains the bot of trained_bot/ on a real Rasa 3.6, and has the demo's conversation with it.

Rasa needs Python 3.10: RASA_PYTHON, or python3.10 on the PATH, or of pyenv. It is installed into .venv-rasa, 2.7 GB.
The conversation is held twice, over the REST and over the callback channel.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
BOT = Path(__file__).parent / "trained_bot"
ENVIRONMENT = Path(os.environ.get("RASA_VENV") or ROOT / ".venv-rasa")
RASA = "rasa==3.6.21"
TOKEN = "token-of-the-check"  # noqa: S105 - of a server on loopback that ends with this program
#: A busy machine needs minutes to load TensorFlow.
START_SECONDS = 600


def find_python() -> str | None:
    """A Python 3.10 that runs."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [os.environ.get("RASA_PYTHON"), shutil.which("python3.10")]
    candidates += [str(path) for path in sorted(pyenv.glob("versions/3.10.*/bin/python"))]
    for python in filter(None, candidates):
        found = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
        if found.stdout.startswith("Python 3.10."):
            return python
    return None


def install(python: str) -> Path:
    """The command `rasa` of the virtual environment, which is created if needed."""
    rasa = ENVIRONMENT / "bin" / "rasa"
    if not rasa.exists():
        print(f"Installing {RASA} into {ENVIRONMENT} ...", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin" / "pip", "install", "--quiet", RASA], check=True)
    return rasa


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def serving(rasa: Path, project: Path, secret: str) -> Iterator[tuple[str, int]]:
    """The address of a Rasa with the trained bot, and the port to which its callback channel posts."""
    port, callback_port = free_port(), free_port()
    callback = f"http://127.0.0.1:{callback_port}/callback/{secret}"
    (project / "credentials.yml").write_text(f'rest:\ncallback:\n  url: "{callback}"\n', encoding="utf-8")
    command = [str(rasa), "run", "--enable-api", "--auth-token", TOKEN, "--interface", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=project, start_new_session=True) as server:
        try:
            _wait_until_ready(server, f"http://127.0.0.1:{port}/status?token={TOKEN}")
            yield f"http://127.0.0.1:{port}", callback_port
        finally:
            server.terminate()


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - on loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise RuntimeError("Rasa did not start; its error is above.")


def main() -> int:
    python = find_python()
    if python is None:
        print("Rasa 3.6 needs Python 3.10, which is not here. Set RASA_PYTHON to one.", file=sys.stderr)
        return 2
    rasa = install(python)
    with TemporaryDirectory(prefix="rasa-check-") as folder:
        project = Path(folder) / "bot"
        shutil.copytree(BOT, project)
        files = ["--config", "config.yml", "--domain", "domain.yml", "--data", "nlu.yml", "rules.yml"]
        print("Training the bot ...", flush=True)
        subprocess.run([rasa, "train", "--quiet", *files], cwd=project, check=True)
        secret = "secret-of-the-check"  # noqa: S105 - of a server on loopback that ends with this program
        with serving(rasa, project, secret) as (url, callback_port):
            own = {"RASA_URL": url, "RASA_TOKEN": TOKEN, "RASA_CALLBACK_PORT": str(callback_port)}
            for channel in ("rest", "callback"):
                print(f"\nThe {channel} channel of a real Rasa:\n", flush=True)
                settings = own | {"RASA_CHANNEL": channel, "RASA_CALLBACK_SECRET": secret}
                command = [sys.executable, "-m", "server", "demo", "rasa_bot"]
                if code := subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False).returncode:
                    return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
