"""The lock of a run directory, and checks that a directory is writable."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ddpm_core.storage.files import write_json


class RunLocked(RuntimeError):
    """The folder is locked by another run."""


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be created or written to, without creating anything."""
    ancestor = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise ValueError(f"--out-dir {folder}: {ancestor} is not a writable folder. Choose another")


def writable_folder(folder: Path, option: str = "--out-dir") -> Path:
    """Return `folder`, created if missing. Raises ValueError, naming `option`, if not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(
            f"{option} {folder}: {error.strerror}. Choose a folder, existing or new, that is "
            "writable"
        ) from None


@contextmanager
def run_lock(folder: Path) -> Iterator[str | None]:
    """Lock a run directory while entered; it is created if missing.

    Yields the process that held it last, if that process died while it did (kill -9, power cut).

    The operating system releases the lock when its holder dies for any reason. Raises RunLocked at
    once, with the process that holds it, for a locked folder, also by this process, and ValueError
    for a folder that is not writable.
    """
    writable_folder(folder)
    lock = FileLock(folder / ".lock")
    # Not in .lock itself: some versions of filelock truncate that file when they try to lock.
    holder = folder / ".lock.json"
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise RunLocked(
            f"{folder} is in use by {_described(holder)}; two runs in one folder would overwrite "
            "each other. Wait for it to end, stop it, or choose another --out-dir"
        ) from None
    left = _described(holder) if holder.exists() else None
    try:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "started": started})
        yield left
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _described(holder: Path) -> str:
    try:
        held = json.loads(holder.read_bytes())
        return f"process {held['pid']} on {held['host']} since {held['started']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"  # which has locked the folder but not yet written this file
