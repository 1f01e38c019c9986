"""What runs on this machine: for tests that start real processes."""

import subprocess
from pathlib import Path


def mongods_on(folder: Path) -> list[int]:
    """The running processes that name this folder, from the kernel's own list."""
    listing = subprocess.run(["ps", "-ww", "-e", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if f" --dbpath {folder}/" in line]
