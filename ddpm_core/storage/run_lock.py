"""The lock of a run directory, and whether a directory can be written to."""

import json
import os
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from ddpm_core.storage.files import write_json


class RunLocked(RuntimeError):
    """Another run holds the folder."""


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be made or written in, as far as looking can tell."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(
            f"--out-dir {folder}: {there} is no folder that may be written to. Name another"
        )


def writable_folder(folder: Path) -> Path:
    """`folder`, made where it is missing; raises ValueError where nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(
            f"--out-dir {folder}: {error.strerror}. Name a folder, existing or not, that may be "
            "written to"
        ) from None


class RunLock:
    """While entered, no other run, in this process or another, can enter the same folder.

    The operating system lets go of the lock when its holder dies, however it dies. Entering a
    folder that is held raises RunLocked at once, which says by whom.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FileLock | None = None
        # Not in .lock itself: some versions of filelock empty that file when they try to take it.
        self._holder = folder / ".lock.json"

    def __enter__(self) -> "RunLock":
        writable_folder(self.folder)
        lock = FileLock(self.folder / ".lock")  # a new one, since one FileLock lets itself in twice
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise RunLocked(
                f"{self.folder} is in use by {self._who()}; two runs in one folder would overwrite "
                "each other. Wait for that one, stop it, or choose another --out-dir"
            ) from None
        try:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
            write_json(self._holder, holder)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._holder.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder.read_bytes())
            return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"  # which took it just now and has yet to say who it is
