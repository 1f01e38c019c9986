"""Where tests have their temporary folders: in memory, because tests of MongoDB wait for the disk most of the time."""

import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
#: A mongod writes 300 MB, and several run at the same time.
NEEDED_BYTES = 4 << 30


def find_memory(folder: Path = SHARED_MEMORY, needed_bytes: int = NEEDED_BYTES) -> Path | None:
    """Return the folder if it has the space and programs can run in it, else None. Docker gives it 64 MB."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    runs_programs = not found.f_flag & os.ST_NOEXEC
    return folder if runs_programs and found.f_bavail * found.f_frsize >= needed_bytes else None
