"""The lock of a run directory, and checks that a directory is writable."""

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
    """The folder is locked by another run."""


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be created or written to, without creating anything."""
    ancestor = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise ValueError(f"--out-dir {folder}: {ancestor} is not a writable folder. Choose another")


def writable_folder(folder: Path) -> Path:
    """Return `folder`, created if missing. Raises ValueError if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(
            f"--out-dir {folder}: {error.strerror}. Choose a folder, existing or new, that is "
            "writable"
        ) from None


class RunLock:
    """Exclusive lock of a run directory, as a context manager.

    It also excludes other RunLocks of the same process. The operating system releases the lock when
    its holder dies for any reason. Entering a locked folder raises RunLocked at once, with the
    process that holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FileLock | None = None
        # Not in .lock itself: some versions of filelock truncate that file when they try to lock.
        self._holder = folder / ".lock.json"

    def __enter__(self) -> "RunLock":
        writable_folder(self.folder)
        lock = FileLock(self.folder / ".lock")  # new each time: a FileLock is reentrant
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise RunLocked(
                f"{self.folder} is in use by {self._holder_text()}; two runs in one folder would "
                "overwrite each other. Wait for it to end, stop it, or choose another --out-dir"
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

    def _holder_text(self) -> str:
        try:
            holder = json.loads(self._holder.read_bytes())
            return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"  # which has locked it but not yet written .lock.json
